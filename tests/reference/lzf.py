"""LZF byte by byte, after the description of the format, and a packer that finds what it can repeat."""


def decompress(data: bytes) -> bytes:
    out = []
    place = 0
    while place < len(data):
        control = data[place]
        place += 1
        if control < 32:  # a literal run of control + 1 bytes
            for _ in range(control + 1):
                out.append(data[place])
                place += 1
        else:  # a reference: length + 2 bytes from distance + 1 back
            length = control >> 5
            if length == 7:
                length += data[place]
                place += 1
            distance = ((control & 31) << 8) + data[place]
            place += 1
            for _ in range(length + 2):
                out.append(out[-distance - 1])
    return bytes(out)


def compress(data: bytes) -> bytes:
    out, literals, seen, place = bytearray(), bytearray(), {}, 0

    def flush() -> None:
        for begin in range(0, len(literals), 32):
            run = literals[begin : begin + 32]
            out.append(len(run) - 1)
            out.extend(run)
        literals.clear()

    while place < len(data):
        key = data[place : place + 3]
        before = seen.get(key, -1) if len(key) == 3 else -1
        seen[key] = place
        if before < 0 or place - before > 8192:
            literals.append(data[place])
            place += 1
            continue
        length = 3
        while length < 264 and place + length < len(data) and data[before + length] == data[place + length]:
            length += 1
        flush()
        distance = place - before - 1
        if length < 9:
            out.extend([(length - 2) << 5 | distance >> 8, distance & 255])
        else:
            out.extend([7 << 5 | distance >> 8, length - 9, distance & 255])
        place += length
    flush()
    return bytes(out)
