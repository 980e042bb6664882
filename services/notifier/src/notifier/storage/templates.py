"""Reply templates: words that a practice answers with often."""

from datetime import datetime
from typing import TYPE_CHECKING

from notifier.views import ReplyTemplate
from shared_database import practice_scope

if TYPE_CHECKING:
    from shared_database.pools import Pool


async def templates_of(pool: "Pool", practice_id: str) -> list[ReplyTemplate]:
    """All of a practice, by title."""
    async with practice_scope(pool, practice_id) as connection:
        rows = await connection.fetch(
            "SELECT * FROM reply_template WHERE practice_id = $1 ORDER BY title, template_id", practice_id
        )
    return [ReplyTemplate.model_validate(dict(row)) for row in rows]


async def template_of(pool: "Pool", practice_id: str, template_id: str) -> ReplyTemplate | None:
    """One of them; None when there is none of this id."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            "SELECT * FROM reply_template WHERE practice_id = $1 AND template_id = $2", practice_id, template_id
        )
    return ReplyTemplate.model_validate(dict(row)) if row is not None else None


async def save_template(
    pool: "Pool", practice_id: str, template_id: str, title: str, body: str, changed_by: str, changed_at: datetime
) -> ReplyTemplate:
    """Make a template, or change it."""
    async with practice_scope(pool, practice_id) as connection:
        row = await connection.fetchrow(
            """
            INSERT INTO reply_template VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (practice_id, template_id) DO UPDATE SET title = excluded.title, body = excluded.body,
                changed_by = excluded.changed_by, changed_at = excluded.changed_at
            RETURNING *
            """,
            practice_id,
            template_id,
            title,
            body,
            changed_by,
            changed_at,
        )
    return ReplyTemplate.model_validate(dict(row or {}))


async def delete_template(pool: "Pool", practice_id: str, template_id: str) -> bool:
    """Remove a template; False when there was none of this id."""
    async with practice_scope(pool, practice_id) as connection:
        done = await connection.execute(
            "DELETE FROM reply_template WHERE practice_id = $1 AND template_id = $2", practice_id, template_id
        )
    return done == "DELETE 1"
