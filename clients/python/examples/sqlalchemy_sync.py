# SPDX-License-Identifier: MIT
"""A program of SQLAlchemy's ORM: only the URL of its engine is sidepool's."""
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    books: Mapped[list["Book"]] = relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def main():
    engine = create_engine("postgresql+sidepool://")  # $SIDEPOOL_SOCKET; else ...:///POOL?socket=PATH
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Author(name="Lem", books=[Book(title="Solaris"), Book(title="Fiasco")]))
    try:
        with Session(engine) as session, session.begin():
            session.add(Book(title="lost", author=Author(name="Lem")))
    except IntegrityError:
        print("rolled back")
    with Session(engine) as session:
        print(session.scalars(select(Book.title).join(Author).order_by(Book.title)).all(), session.scalar(select(func.count(Book.id))))
    Base.metadata.drop_all(engine)


if __name__ == "__main__":
    main()
