# SPDX-License-Identifier: MIT
"""Twenty threads on a SQLAlchemy engine: sidepool's dialect, or psycopg's with a QueuePool."""
import sqlalchemy as sa
from common import DATABASE_URL, NAME, SIDEPOOL, SLEEP, UNITS, WORKERS, run_threads
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Work(Base):
    __tablename__ = "work"
    id: Mapped[int] = mapped_column(primary_key=True)
    program: Mapped[str]
    worker: Mapped[int]
    unit: Mapped[int]


def make_engine():
    if SIDEPOOL:
        from sqlalchemy.dialects import registry

        registry.register("postgresql.sidepool", "sidepool.sqlalchemy", "SidepoolDialect")  # an installed package is found
        return sa.create_engine(f"postgresql+sidepool:///?application={NAME}")
    return sa.create_engine(sa.make_url(DATABASE_URL).set(drivername="postgresql+psycopg"), pool_size=WORKERS, max_overflow=0)


def work(worker):
    for unit in range(UNITS):
        with Session(engine) as session, session.begin():
            session.add(Work(program=NAME, worker=worker, unit=unit))
            session.flush()
            session.execute(sa.text(SLEEP))
        with Session(engine) as session:
            mine = sa.select(sa.func.count()).select_from(Work).where(Work.program == NAME, Work.worker == worker)
            assert session.scalar(mine) == unit + 1
    return UNITS


engine = make_engine()
run_threads(work)
engine.dispose()
