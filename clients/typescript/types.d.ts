// The forms of the staff API and of its stream. Generated from the contracts: `just contracts`.

/** Who acted. */
export interface Actor {
  kind: "staff" | "patient" | "system";
  id: string | null;
}

/** A file that came with a message. `url` is a path of this installation, never the provider's own. */
export interface Attachment {
  id: string;
  content_type: string;
  size: number;
  url: string;
  state: "pending" | "ready" | "failed";
}

/** A member of the practice's staff. */
export interface Colleague {
  staff_id: string;
  name: string;
  role: "member" | "administrator";
  active: boolean;
}

/** The inbox that the conversation is in. */
export interface Destination {
  kind: "unassigned" | "member" | "shared_inbox";
  id: string | null;
}

/** The newest message of a conversation, shortened. */
export interface LastMessage {
  message_id: string;
  sender: "patient" | "staff";
  channel: "sms" | "web" | "voicemail";
  body: string;
  sent_at: string;
}

/** What the practice calls a patient. */
export interface PatientName {
  given_name: string;
  family_name: string;
}

/** The location or the provider that the message carries, and why. */
export interface PlaceLabel {
  id: string | null;
  label: string | null;
  source: "appointment" | "carried" | "none";
  appointment_id: string | null;
  as_of: string | null;
  stale: boolean;
  retired: boolean;
  outdated: boolean;
}

/** The reason that the message carries, and why. */
export interface ReasonLabel {
  id: string | null;
  label: string | null;
  source: "picked" | "sticky" | "extension" | "menu" | "carried" | "none";
}

/** How far a text to the patient has come. */
export interface Delivery {
  status: "sent" | "delivered" | "failed";
  failure: "opted_out" | "invalid_number" | "not_reachable" | "not_allowed" | "refused" | "no_channel" | "given_up" | null;
  provider_code: string | null;
  detail: string | null;
}

/** One message of a conversation, of a patient or of staff. */
export interface ThreadMessage {
  message_id: string;
  conversation_id: string;
  sender: "patient" | "staff";
  staff_id: string | null;
  channel: "sms" | "web" | "voicemail";
  body: string;
  attachments: Array<Attachment>;
  transcript: string | null;
  urgent: boolean;
  delivery: Delivery | null;
  reason: ReasonLabel | null;
  sent_at: string;
}

/** A conversation with its whole thread, the oldest message first. What contacts wrote that were linked to its patient, and patients whose records were merged into theirs, is part of it. */
export interface Conversation {
  conversation_id: string;
  patient_id: string;
  patient: PatientName | null;
  version: number;
  status: "open" | "closed";
  destination: Destination;
  audience: Array<string>;
  reason: ReasonLabel | null;
  location: PlaceLabel | null;
  provider: PlaceLabel | null;
  updated_at: string;
  message_version: number;
  read_version: number;
  unread: boolean;
  urgent: boolean;
  unseen: Array<string>;
  last_message: LastMessage | null;
  messages: Array<ThreadMessage>;
  linked_to: string | null;
}

/** A change to a conversation was refused; the conversation is as it was. */
export interface ConversationActionRejectedV1 {
  practice_id: string;
  patient_id: string;
  change_id: string;
  action: string;
  conversation_id: string;
  conversation_version: number;
  actor: Actor;
  occurred_at: string;
  rejection: "version_conflict" | "already_assigned" | "unknown_member" | "inactive_member" | "unknown_inbox" | "unknown_reason" | "unknown_location" | "not_open" | "not_allowed" | "unknown_conversation";
  detail: string;
  destination: Destination;
}

/** One person who is told, and why. */
export interface Recipient {
  staff_id: string;
  because: "subscription" | "default_subscriber" | "assignee" | "inbox_member" | "unassigned_subscriber";
  subscription_id: string | null;
}

/** What a staff member wrote to the patient. */
export interface StaffReply {
  message_id: string;
  body: string;
  attachments: Array<Attachment>;
  channel: "sms" | "web" | "voicemail";
}

/** The words of a voicemail. */
export interface Transcript {
  message_id: string;
  text: string;
}

/** `conversation`: something else happened to a conversation; this is how it is now. */
export interface ConversationData {
  practice_id: string;
  patient_id: string;
  change_id: string;
  change: "assigned" | "moved" | "closed" | "replied" | "read" | "label_corrected" | "contact_linked" | "transcript_added" | "consent_changed" | "rerouted";
  conversation_id: string;
  conversation_version: number;
  actor: Actor;
  occurred_at: string;
  status: "open" | "closed";
  destination: Destination;
  reason: ReasonLabel;
  location: PlaceLabel;
  provider: PlaceLabel;
  audience: Array<Recipient>;
  reply: StaffReply | null;
  transcript: Transcript | null;
  read_message_id: string | null;
  to_patient_id: string | null;
  settings_version: number;
  patient: PatientName | null;
}

/** A conversation as inboxes list it. */
export interface ConversationSummary {
  conversation_id: string;
  patient_id: string;
  patient: PatientName | null;
  version: number;
  status: "open" | "closed";
  destination: Destination;
  audience: Array<string>;
  reason: ReasonLabel | null;
  location: PlaceLabel | null;
  provider: PlaceLabel | null;
  updated_at: string;
  message_version: number;
  read_version: number;
  unread: boolean;
  urgent: boolean;
  unseen: Array<string>;
  last_message: LastMessage | null;
}

/** Conversations, the newest first. */
export interface ConversationPage {
  conversations: Array<ConversationSummary>;
  cursor: string | null;
}

/** How many conversations are in an inbox, and in how many of them something is unread. */
export interface Counts {
  open: number;
  unread: number;
}

/** `duty`, and who is on duty now: whom a message rings. */
export interface DutyState {
  on_duty: Array<string>;
  as_of: string;
}

/** Further people were rung for a message that nobody had seen. */
export interface EscalationStep {
  ring: "substitutes" | "same_reason" | "default_subscribers" | "administrators";
  staff_ids: Array<string>;
  at: string;
}

/** Ringing wider for a conversation. It takes the conversation out of no inbox. */
export interface Escalation {
  escalation_id: string;
  conversation_id: string;
  since: string;
  steps: Array<EscalationStep>;
  ended: "seen" | "answered" | "closed" | null;
  ended_at: string | null;
}

/** One event of the staff stream's log. */
export interface StreamEventRow {
  event: string;
  id: string;
  data: Record<string, unknown>;
}

/** A page of the staff stream's log. */
export interface EventPage {
  events: Array<StreamEventRow>;
  cursor: string;
}

/** A conversation that a search found. */
export interface FoundConversation {
  conversation_id: string;
  patient_id: string;
  patient: PatientName | null;
  version: number;
  status: "open" | "closed";
  destination: Destination;
  audience: Array<string>;
  reason: ReasonLabel | null;
  location: PlaceLabel | null;
  provider: PlaceLabel | null;
  updated_at: string;
  message_version: number;
  read_version: number;
  unread: boolean;
  urgent: boolean;
  unseen: Array<string>;
  last_message: LastMessage | null;
  found: LastMessage | null;
}

/** What a search found, the newest conversations first. */
export interface FoundPage {
  conversations: Array<FoundConversation>;
  cursor: string | null;
}

/** An inbox that the caller sees, with its counts. */
export interface Inbox {
  inbox: string;
  label: string | null;
  open: number;
  unread: number;
  unseen: number | null;
}

/** A place where the practice sees patients. */
export interface Location {
  id: string;
  name: string;
  retired: boolean;
}

/** `message`: a patient wrote. Everything that was decided about it, and the patient's name. */
export interface MessageData {
  practice_id: string;
  patient_id: string;
  message_id: string;
  conversation_id: string;
  conversation_version: number;
  channel: "sms" | "web" | "voicemail";
  received_at: string;
  body: string;
  attachments: Array<Attachment>;
  reason: ReasonLabel;
  location: PlaceLabel;
  provider: PlaceLabel;
  destination: Destination;
  audience: Array<Recipient>;
  unrouted: boolean;
  late: boolean;
  urgent: boolean;
  reason_menu: boolean;
  rules: Array<string>;
  settings_version: number;
  decided_at: string;
  patient: PatientName | null;
}

/** More is known of a message in the history. The conversation is as it was, its version too. */
export interface MessageUpdatedV1 {
  practice_id: string;
  patient_id: string;
  change_id: string;
  change: "message_updated";
  conversation_id: string;
  conversation_version: number;
  actor: Actor;
  occurred_at: string;
  status: "open" | "closed";
  destination: Destination;
  audience: Array<Recipient>;
  message_id: string;
  attachment: Attachment | null;
  delivery: Delivery | null;
}

/** `notification`: the caller is told of a message. */
export interface NotificationData {
  notification_id: string;
  staff_id: string;
  because: "subscription" | "default_subscriber" | "assignee" | "inbox_member" | "unassigned_subscriber";
  subscription_id: string | null;
  rings: boolean;
  message_id: string;
  conversation_id: string;
  conversation_version: number | null;
  patient_id: string;
  received_at: string;
  urgent: boolean;
}

/** `patient`: a patient is called something else now. */
export interface PatientData {
  practice_id: string;
  conversation_id: string;
  patient_id: string;
  patient: PatientName;
  as_of: string;
}

/** One person's counts: the data of the stream's `counts` event. */
export interface PersonCounts {
  unseen: number;
  inboxes: Record<string, Counts>;
}

/** A person whom patients have appointments with. */
export interface Provider {
  id: string;
  name: string;
  retired: boolean;
}

/** Why a patient writes, in the practice's words. */
export interface Reason {
  id: string;
  label: Record<string, string>;
  retired: boolean;
}

/** A custom shared inbox and who looks after it. */
export interface SharedInboxView {
  id: string;
  label: string;
  members: Array<string>;
}

/** What a staff app needs to know of the practice: names, words, and who the caller is. */
export interface PracticeView {
  practice_id: string;
  staff_id: string;
  role: "member" | "administrator";
  settings_version: number;
  reason_routing: boolean;
  location_routing: boolean;
  provider_routing: boolean;
  label_correction: boolean;
  members: Array<Colleague>;
  shared_inboxes: Array<SharedInboxView>;
  reasons: Array<Reason>;
  locations: Array<Location>;
  providers: Array<Provider>;
  duty: DutyState | null;
}

/** Words that a practice answers with often. */
export interface ReplyTemplate {
  template_id: string;
  title: string;
  body: string;
  changed_by: string;
  changed_at: string;
}

/** `reset`: something may have been missed, or the caller sees other inboxes now: read the inboxes again. */
export interface ResetData {
  reason: "unknown_cursor" | "too_old" | "expired_cursor" | "permissions_changed";
}

/** `seen`: somebody has read a conversation; on the person's own streams, which notifications that was. */
export interface SeenData {
  practice_id: string;
  staff_id: string;
  conversation_id: string | null;
  read_version: number | null;
  notification_ids: Array<string>;
  seen_at: string;
}

/** How many notifications were unseen until now. */
export interface SeenResult {
  marked: number;
}

/** `settings`: the practice's routing settings have a new version. */
export interface SettingsData {
  practice_id: string;
  version: number;
}

/** `snapshot`: the first event of a new stream. What is read from the API from now on is at least as new. */
export interface SnapshotData {
  cursor: string;
}

/** `webhook-disabled`: a webhook endpoint gets nothing any more, because of how it behaves. For administrators. */
export interface WebhookDisabledData {
  practice_id: string;
  endpoint_id: string;
  because: "gone" | "failing";
  disabled_at: string;
}

/** The data of each stream event, by its name. */
export interface StreamEvents {
  "snapshot": SnapshotData;
  "reset": ResetData;
  "message": MessageData;
  "conversation": ConversationData | MessageUpdatedV1;
  "notification": NotificationData;
  "action-rejected": ConversationActionRejectedV1;
  "seen": SeenData;
  "patient": PatientData;
  "settings": SettingsData;
  "escalation": Escalation;
  "duty": DutyState;
  "webhook-disabled": WebhookDisabledData;
  "counts": PersonCounts;
}
