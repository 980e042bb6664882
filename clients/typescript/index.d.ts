// Staff apps for Switchboard: the API, and a live stream that resumes where it was.

import type {
  Conversation,
  ConversationData,
  ConversationPage,
  Escalation,
  FoundPage,
  Inbox,
  PracticeView,
  ReplyTemplate,
  SeenResult,
  StreamEvents,
} from "./types.d.ts";

export type * from "./types.d.ts";

/** One event of the stream; `data` has the form of its kind. */
export type StreamEvent = {
  [Kind in keyof StreamEvents]: { event: Kind; id: string; data: StreamEvents[Kind] };
}[keyof StreamEvents];

export type Action = "assign" | "take" | "move" | "reply" | "close" | "reopen" | "label" | "new-topic" | "link";

export interface InboxQuery {
  inbox?: string;
  reason?: string;
  location?: string;
  cursor?: string;
  limit?: number;
}

export interface StreamOptions {
  /** Go on from here: an id of an earlier event. */
  cursor?: string | null;
  /** Ends the stream. */
  signal?: AbortSignal | null;
  /** Called with true when it has connected, and with false when that is over: say so where people look. */
  onConnection?: (isConnected: boolean) => void;
  inbox?: string;
  reason?: string;
  location?: string;
}

/** The API said no. */
export class ApiError extends Error {
  status: number;
  title: string;
  detail: string;
  problem: Record<string, unknown>;
}

/** An action was refused: somebody was faster, or it makes no sense any more. */
export class Refused extends ApiError {}

/** One person's access. */
export class StaffClient {
  constructor(baseUrl: string, token: string);
  practice(): Promise<PracticeView>;
  inboxes(): Promise<Inbox[]>;
  conversations(query?: InboxQuery): Promise<ConversationPage>;
  conversation(conversationId: string): Promise<Conversation>;
  search(words: string, cursor?: string | null): Promise<FoundPage>;
  replyTemplates(): Promise<ReplyTemplate[]>;
  escalations(conversationId?: string): Promise<Escalation[]>;
  seen(conversationId: string, version: number): Promise<SeenResult>;
  act(
    conversationId: string,
    action: Action,
    body?: Record<string, unknown>,
    key?: string,
  ): Promise<ConversationData>;
  stream(options?: StreamOptions): EventStream;
  fetch(path: string, init?: RequestInit): Promise<Response>;
}

/** Every event once, in order, or a `reset` that says to read the inboxes again. */
export class EventStream implements AsyncIterable<StreamEvent> {
  constructor(staff: StaffClient, options?: StreamOptions);
  cursor: string | null;
  connections: number;
  [Symbol.asyncIterator](): AsyncIterator<StreamEvent>;
}
