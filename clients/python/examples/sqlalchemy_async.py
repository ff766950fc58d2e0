# SPDX-License-Identifier: MIT
"""SQLAlchemy with asyncio: twenty tasks, each with a session of its own."""
import asyncio

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


async def write(engine, n):
    async with AsyncSession(engine) as session:
        session.add(Note(text=f"note {n}"))
        await (session.commit() if n % 2 == 0 else session.rollback())


async def main():
    engine = create_async_engine("postgresql+sidepool_async://")
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.drop_all)
        await conn.run_sync(Base.metadata.create_all)
    await asyncio.gather(*(write(engine, n) for n in range(20)))
    async with AsyncSession(engine) as session:
        print(f"notes: {await session.scalar(select(func.count(Note.id)))}")
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.drop_all)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(main())
