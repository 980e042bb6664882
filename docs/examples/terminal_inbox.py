"""An inbox in a terminal: `SWITCHBOARD_URL=… SWITCHBOARD_TOKEN=… python docs/examples/terminal_inbox.py [INBOX]`.

What happens is a line, once. Type `NUMBER` to read a conversation, `NUMBER take`, `NUMBER close`, or `NUMBER some words` to
answer; `?` lists the inbox; an empty line ends it.
"""

import asyncio
import os
import sys

from switchboard_client import ApiError, Mirror, StaffClient, StreamEvent


class Terminal:
    """The lines. A conversation keeps its number: what is typed may take a while."""

    def __init__(self, staff: StaffClient, inbox: str) -> None:
        self.staff, self.inbox, self.mirror = staff, inbox, Mirror(staff)
        self.mirror.stream.on_connection = lambda is_on: print("-- live" if is_on else "-- not connected, trying again")
        self.numbered: list[str] = []
        self.told: dict[str, int] = {}  # versions: a snapshot may have what the events after it say again

    def line(self, conversation_id: str, mark: str, words: str) -> None:
        """Say something about a conversation."""
        if conversation_id not in self.numbered:
            self.numbered.append(conversation_id)
        one = self.mirror.conversations.get(conversation_id, {})
        name, labels = one.get("patient"), [one.get("reason"), one.get("location")]
        who = f"{name['given_name']} {name['family_name']}" if name else "unknown contact"
        label = ", ".join(label["label"] for label in labels if label and label["label"]) or "no label"
        print(f"{self.numbered.index(conversation_id) + 1:3} {mark} {who} ({label}): {words[:90]}")

    def all_lines(self) -> None:
        """The newest twenty, the newest last; `*` is unread, `!` has waited for so long that others are rung."""
        counts = "  ".join(f"{name} {one['unread']}/{one['open']}" for name, one in self.mirror.counts.items())
        print(f"\n-- {self.inbox}    unread/open: {counts}    not seen by you: {self.mirror.unseen}")
        waiting = {one["conversation_id"] for one in self.mirror.escalations.values()}
        found = self.mirror.inbox(self.inbox)
        self.told = {one["conversation_id"]: one["version"] for one in found}
        for one in reversed(found[:20]):
            last, mark = (
                one["last_message"],
                "!" if one["conversation_id"] in waiting else "*" if one["unread"] else " ",
            )
            self.line(one["conversation_id"], mark, last["body"] if last else "")

    def tell(self, event: StreamEvent) -> None:
        """What an event says of this inbox: `+` a patient wrote, `<` we did, `-` it is elsewhere now."""
        data = event.data
        if event.event in {"snapshot", "reset"}:
            self.all_lines()
        elif event.event == "escalation" and not data["ended"] and data["conversation_id"] in self.told:
            self.line(data["conversation_id"], "!", "nobody has looked at this: others are rung")
        elif event.event in {"message", "conversation"} and data.get("change") != "message_updated":
            conversation_id, version = data["conversation_id"], data["conversation_version"]
            before = self.told.pop(conversation_id, None)
            if self.mirror.is_in(self.inbox, conversation_id):
                self.told[conversation_id] = max(version, before or 0)
                if event.event == "message" and version > (before or 0):
                    self.line(conversation_id, "+", data["body"])
                elif event.event == "conversation" and data["reply"] and version > (before or 0):
                    self.line(conversation_id, "<", data["reply"]["body"])
                elif before is None:
                    self.line(conversation_id, "+", "is here now")
            elif before is not None:
                self.line(conversation_id, "-", "is elsewhere now")

    async def obey(self, typed: str) -> None:
        """Do what was typed."""
        number, _, words = typed.partition(" ")
        conversation_id = dict(enumerate(self.numbered, start=1)).get(int(number) if number.isdecimal() else 0)
        if typed == "?":
            self.all_lines()
        elif conversation_id is None:
            print(f"! no conversation has the number {number}")
        elif words in {"take", "close"}:
            await self.staff.act(conversation_id, words)
        elif words:
            await self.staff.act(conversation_id, "reply", {"body": words})
        else:
            one = await self.staff.conversation(conversation_id)
            for message in one["messages"]:
                print(f"{message['sent_at'][:16]} {message['staff_id'] or message['sender']}: {message['body']}")
            await self.staff.seen(conversation_id, one["version"])

    async def listen(self) -> None:
        """Read what is typed, until an empty line."""
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            try:
                await self.obey(line)
            except ApiError as error:
                print("!", error)

    async def follow(self) -> None:
        """Say what happens."""
        async for event in self.mirror.follow():
            self.tell(event)


async def main(inbox: str = "mine") -> None:
    """Until an empty line is typed, or something is wrong that trying again does not mend."""
    async with StaffClient(os.environ["SWITCHBOARD_URL"], os.environ["SWITCHBOARD_TOKEN"]) as staff:
        terminal = Terminal(staff, inbox)
        working = map(asyncio.create_task, [terminal.listen(), terminal.follow()])
        done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        done.pop().result()


asyncio.run(main(*sys.argv[1:2]))
