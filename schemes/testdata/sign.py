"""Signs with the first private key in a file, for the examples of schemes:

    printf %s MESSAGE | python3 testdata/sign.py FUNCTION FILE    prints the signature in base64
    python3 testdata/sign.py FUNCTION FILE HEADER CLAIMS          prints a JWT

FUNCTION is named as in schemes. openssl does RSASSA-PKCS1-v1_5 and Ed25519. What it cannot make twice is computed here
with integers: ECDSA with P-256 and the number k of RFC 6979, and RSASSA-PSS with a salt that is the first bytes of the
SHA-512 of the environment's NONCE.
"""
import base64, hashlib, hmac, os, re, subprocess, sys, tempfile

# P-256 (SEC 2, section 2.4.2): the prime, the order, and the base point.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
BASE = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def openssl(*arguments, given):
    return subprocess.run(("openssl",) + arguments, input=given, stdout=subprocess.PIPE, check=True).stdout


def numbers(key):
    """The numbers of a private key by their names."""
    text = openssl("pkey", "-noout", "-text", given=key).decode()
    found = re.findall(r"^(\w+):\s*((?:[0-9a-f]{2}:?\s*)+)", text, re.M)
    return {name: int(re.sub(r"[:\s]", "", digits), 16) for name, digits in found}


def add(a, b):
    """The sum of two points; None is that at infinity."""
    if a is None or b is None:
        return a or b
    slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def ecdsa_sha256(key, message):
    d = numbers(key)["priv"]
    mac = lambda k, *parts: hmac.digest(k, b"".join(parts), "sha256")
    e = int.from_bytes(hashlib.sha256(message).digest(), "big")
    seed = d.to_bytes(32, "big") + (e % N).to_bytes(32, "big")
    k, v = bytes(32), b"\1" * 32  # RFC 6979, section 3.2, of which the first number is all but always in range
    for step in b"\0", b"\1":
        k = mac(k, v, step, seed)
        v = mac(k, v)
    number = int.from_bytes(mac(k, v), "big")
    assert 0 < number < N
    point, doubled = None, BASE
    for bit in reversed(f"{number:b}"):
        point = add(point, doubled) if bit == "1" else point
        doubled = add(doubled, doubled)
    r = point[0] % N
    return r.to_bytes(32, "big") + (pow(number, -1, N) * (e + r * d) % N).to_bytes(32, "big")


def pss(key, message, hash):
    """RFC 8017, section 9.1.1, for a modulus whose size is a multiple of 8 bits."""
    n, d = (numbers(key)[name] for name in ("modulus", "privateExponent"))
    size = (n.bit_length() + 7) // 8
    digest = hashlib.new(hash, message).digest()
    salt = hashlib.sha512(os.environ["NONCE"].encode()).digest()[: len(digest)]
    h = hashlib.new(hash, bytes(8) + digest + salt).digest()
    block = bytes(size - len(salt) - len(h) - 2) + b"\1" + salt
    mask = b"".join(hashlib.new(hash, h + i.to_bytes(4, "big")).digest() for i in range(len(block) // len(h) + 1))
    masked = bytes(a ^ b for a, b in zip(block, mask))
    encoded = bytes([masked[0] & 0x7F]) + masked[1:] + h + b"\xbc"
    return pow(int.from_bytes(encoded, "big"), d, n).to_bytes(size, "big")


def sign(function, key, message):
    algorithm, _, hash = function.rpartition("_")
    if algorithm == "ecdsa":
        return ecdsa_sha256(key, message)
    if algorithm == "rsa_pss":
        return pss(key, message, hash)
    with tempfile.NamedTemporaryFile() as file:
        file.write(key)
        file.flush()
        if algorithm == "rsa":
            return openssl("dgst", "-" + hash, "-sign", file.name, given=message)
        with tempfile.NamedTemporaryFile() as data:  # which pkeyutl does not read from a pipe
            data.write(message)
            data.flush()
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", file.name, "-in", data.name, given=b"")


function, name, *parts = sys.argv[1:]
with open(name) as file:
    block = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*-----", file.read(), re.S)[0]
key = re.sub(r"(?m)^ +", "", block).encode() + b"\n"
if parts:
    encode = lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=")
    signed = b".".join(encode(part.encode()) for part in parts)
    print((signed + b"." + encode(sign(function, key, signed))).decode())
else:
    print(base64.b64encode(sign(function, key, sys.stdin.buffer.read())).decode())
