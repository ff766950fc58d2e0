# SPDX-License-Identifier: MIT
"""Dates and times. What Python's types cannot hold (infinity, BC, years beyond 9999, 24:00 of a time) is a DataError; wrong
data never. Text comes in the order that the session's DateStyle says."""
import re
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from ..adapt import Dumped
from ..errors import DataError

_OFFSET = r"(?:([+-])(\d\d?)(?::?(\d\d))?(?::?(\d\d))?)?"
_TIME = r"(\d\d?):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
_ISO_STAMP = re.compile(rf"^(\d{{4,}})-(\d\d)-(\d\d)[ T]{_TIME}{_OFFSET}$")
_OTHER_STAMP = re.compile(rf"^(\d\d)[/.-](\d\d)[/.-](\d{{4,}}) {_TIME}(?: ?{_OFFSET}| (\w+))$")
_TIME_ONLY = re.compile(rf"^{_TIME}{_OFFSET}$")
_INTERVAL = re.compile(
    r"^(?:([+-]?\d+)\s+years?\s*)?(?:([+-]?\d+)\s+mons?\s*)?(?:([+-]?\d+)\s+days?\s*)?(?:([+-])?(\d+):(\d\d):(\d\d(?:\.\d+)?))?$"
)
_ISO_INTERVAL = re.compile(
    r"^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?\d+(?:\.\d+)?)S)?)?$"
)


@lru_cache(maxsize=64)
def _zone(name):
    try:
        return ZoneInfo(name)
    except Exception:  # of several kinds: not a name, no database of zones
        return timezone.utc


def session_zone(session):
    return _zone(session.parameter("TimeZone") or "UTC")


def _style(session):
    """("ISO", "DMY") and the like."""
    style, _, order = (session.parameter("DateStyle") or "ISO, MDY").partition(", ")
    return style, order or "MDY"


def _refuse(what, text):
    if "infinity" in text:
        raise DataError(f"Python has no {what} for {text!r}; cast it to text, or register a loader")
    if text.endswith("BC"):
        raise DataError(f"Python has no {what} before the year 1 ({text!r})")
    raise DataError(f"can't parse {what} {text!r}")


def _offset(sign, hours, minutes, seconds):
    if sign is None:
        return None
    delta = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return timezone(-delta if sign == "-" else delta)


def _micro(fraction):
    return int(fraction.ljust(6, "0")) if fraction else 0


def _make(what, text, build):
    try:
        return build()
    except (ValueError, OverflowError) as e:
        raise DataError(f"Python's {what} cannot hold {text!r}: {e}") from None


def _make_date_loader(adapters, session):
    style, order = _style(session)

    def load(data):
        text = data.decode()
        if style == "ISO":
            try:
                return date.fromisoformat(text)
            except ValueError:
                return _odd_date(text)
        return _other_date(text, order)

    return load


def _odd_date(text):
    found = re.match(r"^(\d{4,})-(\d\d)-(\d\d)$", text)
    if not found:
        _refuse("date", text)
    return _make("date", text, lambda: date(int(found[1]), int(found[2]), int(found[3])))


def _other_date(text, order):
    found = re.match(r"^(\d\d)[/.-](\d\d)[/.-](\d{4,})$", text)
    if not found:
        _refuse("date", text)
    first, second, year = int(found[1]), int(found[2]), int(found[3])
    day, month = (first, second) if order == "DMY" or "." in text else (second, first)
    return _make("date", text, lambda: date(year, month, day))


def _stamp(text, style, order):
    """(datetime without a zone, the offset that stood behind it)."""
    found = _ISO_STAMP.match(text)
    if found:
        year, month, day = found[1], found[2], found[3]
    else:
        found = _OTHER_STAMP.match(text) if style in ("SQL", "German") else None
        if not found or found[12]:
            _refuse_stamp(text, style)
        year = found[3]
        day, month = (found[1], found[2]) if order == "DMY" or "." in text[:3] else (found[2], found[1])
    hour, minute, second, fraction = found[4], found[5], found[6], found[7]
    naive = _make(
        "datetime", text,
        lambda: datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), _micro(fraction)),
    )
    return naive, _offset(found[8], found[9], found[10], found[11])


def _refuse_stamp(text, style):
    if style != "ISO" and "infinity" not in text and not text.endswith("BC"):
        raise DataError(f"can't parse timestamp {text!r} with DateStyle {style!r}: SET datestyle TO iso")
    _refuse("datetime", text)


def _make_timestamp_loader(adapters, session):
    style, order = _style(session)

    def load(data):
        text = data.decode()
        if style == "ISO":
            try:
                return datetime.fromisoformat(_padded(text))
            except ValueError:
                pass
        return _stamp(text, style, order)[0]

    return load


def _padded(text):
    """fromisoformat() before 3.11 wants three or six digits of a second."""
    dot = text.find(".")
    return text if dot < 0 or len(text) - dot == 7 else text.ljust(dot + 7, "0")


def _make_timestamptz_loader(adapters, session):
    style, order = _style(session)
    zone = session_zone(session)

    def load(data):
        text = data.decode()
        naive, offset = _stamp(text, style, order)
        try:
            return naive.replace(tzinfo=offset or timezone.utc).astimezone(zone)
        except OverflowError:
            return naive.replace(tzinfo=offset)  # at the very end of the calendar

    return load


def _load_time(data):
    text = data.decode()
    try:
        if text[:2] == "24":  # the end of a day, which Python 3.14 would take for its beginning
            raise ValueError
        return time.fromisoformat(_padded(text))
    except ValueError:
        raise DataError(f"Python's time cannot hold {text!r}") from None


def _load_timetz(data):
    text = data.decode()
    found = _TIME_ONLY.match(text)
    if not found:
        _refuse("time", text)
    zone = _offset(found[5], found[6], found[7], found[8])
    return _make("time", text, lambda: time(int(found[1]), int(found[2]), int(found[3]), _micro(found[4]), zone))


def _load_interval(data):
    text = data.decode()
    found = _INTERVAL.match(text)
    if found and text:
        years, months, days = (int(g or 0) for g in found.group(1, 2, 3))
        micro = _seconds(found[5], found[6], found[7])
        if found[4] == "-":
            micro = -micro
    else:
        found = _ISO_INTERVAL.match(text)
        if not found:
            raise DataError(f"can't parse interval {text!r}: SET intervalstyle TO postgres")
        years, months, days = (int(g or 0) for g in found.group(1, 2, 3))
        micro = _seconds(found[4], found[5], found[6])
    whole = days + 30 * months + 365 * years
    return _make("timedelta", text, lambda: timedelta(days=whole, microseconds=micro))


def _seconds(hours, minutes, seconds):
    """Microseconds; each part with its own sign."""
    whole, _, fraction = (seconds or "0").partition(".")
    micro = int(fraction.ljust(6, "0")[:6]) if fraction else 0
    total = abs(int(whole)) * 1_000_000 + micro
    if whole.startswith("-"):
        total = -total
    return (int(hours or 0) * 3600 + int(minutes or 0) * 60) * 1_000_000 + total


def _dump_date(value, adapters):
    return Dumped(1082, value.isoformat().encode())


def _dump_datetime(value, adapters):
    if value.tzinfo is None:
        return Dumped(1114, value.isoformat(" ").encode())
    text = value.isoformat(" ")
    if text[-7] == ".":  # an offset down to microseconds, which PostgreSQL does not read
        text = _make("datetime", text, lambda: value.astimezone(timezone.utc).isoformat(" "))
    return Dumped(1184, text.encode())


def _dump_time(value, adapters):
    if value.tzinfo is None:
        return Dumped(1083, value.isoformat().encode())
    if value.utcoffset() is None:
        raise DataError(f"cannot calculate the offset of tzinfo {value.tzinfo!r} without a date")
    return Dumped(1266, value.isoformat().encode())


def _dump_timedelta(value, adapters):
    text = f"{value.days} day {value.seconds} second {value.microseconds} microsecond"
    return Dumped(1186, text.encode())


def register(adapters):
    for cls, dump in ((date, _dump_date), (datetime, _dump_datetime), (time, _dump_time), (timedelta, _dump_timedelta)):
        adapters.register_dumper_maker(cls, dump)
    adapters.register_loader_maker("date", _make_date_loader)
    adapters.register_loader_maker("timestamp", _make_timestamp_loader)
    adapters.register_loader_maker("timestamptz", _make_timestamptz_loader)
    adapters.register_loader("time", _load_time)
    adapters.register_loader("timetz", _load_timetz)
    adapters.register_loader("interval", _load_interval)
