"""Which of many are looked at where not all are."""


def spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` indices spread evenly over `count`, first and last among them.

    One alone is the first.
    """
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [0]
    return [round(place * (count - 1) / (limit - 1)) for place in range(limit)]
