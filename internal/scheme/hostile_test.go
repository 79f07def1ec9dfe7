package scheme_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// hostileKeys are private keys by their kinds.
var hostileKeys = func() map[string]string {
	keys := map[string]string{}
	for _, kind := range []string{"rsa", "p256", "ed25519"} {
		text, err := os.ReadFile("testdata/keys/" + kind + ".pem")
		if err != nil {
			panic(err)
		}
		keys[kind] = string(text)
	}
	return keys
}()

// hostileDocument is a scheme in which one header is an expression.
func hostileDocument(expression, lets, options string) string {
	secrets, values := "", ""
	for _, name := range []string{"seed", "salt"} { // an unused secret is refused
		if strings.Contains(expression+lets, name) {
			secrets, values = secrets+", "+name+": {}", values+", "+name+": made-up"
		}
	}
	for name, kind := range map[string]string{"rsakey": "rsa", "eckey": "p256", "edkey": "ed25519"} {
		if strings.Contains(expression+lets, name) {
			secrets += ", " + name + ": {key: " + kind + "}"
			values += fmt.Sprintf(", %s: %q", name, hostileKeys[kind])
		}
	}
	return fmt.Sprintf(`
secrets: {key: {}, other: {}, raw: {encoding: base64}, digits: {encoding: hex}%s}
fields: {field: {}, maybe: {optional: true, pattern: '.*'}}
request:
  method: {pattern: '[A-Z]{3,7}'}
  request_string: {}
  body: {pattern: '(?s).*', optional: true}
  small: {pattern: '[a-z]*', max: 16, optional: true}
  only: {pattern: 'GET'}
  cased: {pattern: 'get|GET'}
  blank: {pattern: '[a-z]*'}
  escaped: {pattern: 'a&b|a%%26b'}
  ordered: {pattern: 'a=1&b=2|b=1&a=2'}
let:
  stamp: now.unix()
  used: hmac_sha256(other + raw + digits, stamp + key)
%s
headers:
  X-Other: hex(used)
  X-Test: |
    %s
ttl: 1m
%s
examples:
  - secrets: {key: made-up, other: made-up, raw: bWFkZS11cA==, digits: 6d616465%s}
    fields: {field: f}
    request: {method: GET, request_string: /a, only: GET, cased: get, blank: "", escaped: a&b, ordered: a=1&b=2}
    base_url: https://api.example
    now: 2026-01-02T03:04:05Z
    uuid: 0b5d6ff5-5b9b-4f0a-9d3c-1a2b3c4d5e6f
    nonce: 0123456789abcdef0123456789abcdef
    want: {X-Test: x, X-Other: x}
`, secrets, lets, expression, options, values)
}

const (
	givesAway = "would give the secret away: it is a secret, in whatever encoding, until it is hashed"
	isStale   = "has a digest of a secret that stays the same"
	compared  = "cannot be compared: a secret flows into it, hashed or not"
	noKey     = "cannot be a key: a request field, now, uuid or nonce flows into it"
	apart     = "cannot flow into a hash or an hmac_ too"
	sameMake  = "is made of the same: HMAC hashes keys"
	extended  = "could be extended"
	notPart   = "this is not part of the language"
	noExpr    = "this is not an expression"
	takes     = " takes "
	joins     = "+ joins two strings"

	keyAway   = "would give the private key away; a private key only signs"
	onlySigns = "; a private key only signs"
	needsKey  = "; the key must be a secret that is declared with key"
	fourTimes = "a scheme signs at most 4 times with private keys"
	noNumbers = "numbers are not part of the language"
	noSecret  = " is not for what a secret flows into, hashed or not"
	nullBytes = "it has bytes 0, or a digest in bytes"
)

// Each expression tries to get a secret out, to tell something about it, or to break the checker. What each must get is
// beside it.
var hostileExpressions = []struct{ expression, want string }{
	// The secret itself, joined and encoded.
	{`key`, givesAway},
	{`(key)`, givesAway},
	{`((((key))))`, givesAway},
	{`key + ""`, givesAway},
	{`"" + key`, givesAway},
	{`"a" + key + "b"`, givesAway},
	{`key + key`, givesAway},
	{`key + other`, givesAway},
	{`key + stamp`, givesAway},
	{`uuid + key`, givesAway},
	{`hex(key)`, givesAway},
	{`base64(key)`, givesAway},
	{`base64url(key)`, givesAway},
	{`percent_encode(key)`, givesAway},
	{`json(key)`, givesAway},
	{`hex(base64(percent_encode(key)))`, givesAway},
	{`base64(raw)`, givesAway},
	{`hex(digits)`, givesAway},
	{`hex(key + sha256(stamp))`, givesAway},
	{`sha256(stamp) + key`, givesAway},
	{`key + bytes(stamp)`, givesAway},
	{`bytes(stamp) + key`, givesAway},
	{`secret_let`, givesAway},
	{`hex(secret_let)`, givesAway},
	{`derived_let`, givesAway},
	// Derived keys are secrets.
	{`derive_sha256(key)`, givesAway},
	{`hex(derive_sha256(key))`, givesAway},
	{`derive_md5(key + stamp)`, givesAway},
	{`derive_hmac_sha256(key, stamp)`, givesAway},
	{`base64(derive_hmac_sha512(key, stamp))`, givesAway},
	{`derive_hmac_sha1(derive_hmac_sha1(key, stamp), uuid)`, givesAway},
	// Functions that do not take secrets.
	{`bytes(key)`, "bytes(x) takes (string), not (secret)"},
	{`lower(key)`, takes},
	{`upper(key)`, takes},
	{`trim(key)`, takes},
	{`path(key)`, takes},
	{`query(key)`, takes},
	{`sorted_query(key)`, takes},
	{`choose(method == "GET", key, "a")`, takes},
	{`choose(method == "GET", "a", key)`, takes},
	{`choose(method == "GET", key, other)`, takes},
	{`choose(key, "a", "b")`, takes},
	{`json(raw)`, "json takes secrets of the encoding text"},
	{`json(digits)`, "json takes secrets of the encoding text"},
	{`json(derive_sha256(key))`, "json takes secrets of the encoding text"},
	{`json(key + raw)`, "json takes secrets of the encoding text"},
	{`json(hex(key))`, givesAway},
	{`json(key + sha256(stamp))`, "json takes secrets of the encoding text"},
	{`json(key + other + stamp)`, givesAway},
	{`now.format(key)`, takes},
	{`key.unix()`, takes},
	// Comparisons are oracles, of digests too.
	{`choose(key == "a", "a", "b")`, compared},
	{`choose("a" != key, "a", "b")`, compared},
	{`choose(key == other, "a", "b")`, compared},
	{`choose(key.startsWith("a"), "a", "b")`, compared},
	{`choose(key.endsWith("a"), "a", "b")`, compared},
	{`choose(key.contains("a"), "a", "b")`, compared},
	{`choose("abc".contains(key), "a", "b")`, compared},
	{`choose(hex(sha256(key + stamp)) == "a", "a", "b")`, compared},
	{`choose(hex(sha256(key)).startsWith(method), "a", "b")`, compared},
	{`choose(body == hex(hmac_sha256(key, stamp)), "a", "b")`, compared},
	{`choose("0123456789".contains(hex(hmac_sha256(key, stamp))), "a", "b")`, compared},
	{`choose(lower(hex(sha256(key))) == "a", "a", "b")`, compared},
	{`choose(path(hex(sha256(key))) == "a", "a", "b")`, compared},
	{`choose(choose(method == "GET", hex(used), "a") == "a", "a", "b")`, compared},
	{`choose(digest_let == "a", "a", "b")`, compared},
	{`choose(!(digest_let == "a"), "a", "b")`, compared},
	{`choose(method == "GET" && digest_let == "a", "a", "b")`, compared},
	{`choose(sha256(key) == sha256(other), "a", "b")`, compared},
	{`choose(sha256(method) == sha256(body), "a", "b")`, "compares two strings, not bytes and bytes"},
	// To sort is to compare: whether a digest comes before a caller's text tells it letter by letter.
	{`sorted_query(hex(sha256(key)) + "&" + body)`, compared},
	{`hex(sha256(sorted_query(digest_let + "&" + body) + stamp))`, compared},
	{`choose(sha256(stamp) == "a", "a", "b")`, "compares two strings, not bytes and string"},
	// Freshness.
	{`hex(sha256(key))`, isStale},
	{`hex(sha256(key + field))`, isStale},
	{`hex(sha256(field + key))`, isStale},
	{`hex(sha256("a" + method + key + "b"))`, isStale},
	{`hex(hmac_sha256(key, field))`, isStale},
	{`hex(hmac_sha256(key, "static"))`, isStale},
	{`hex(hmac_sha256(key, base_url))`, isStale},
	{`hex(hmac_sha256(key, path(stamp)))`, isStale},
	{`hex(hmac_sha256(key, query(stamp)))`, isStale},
	{`hex(hmac_sha256(key, path(request_string)))`, isStale},
	{`hex(hmac_sha256(key, choose(method == "GET", stamp, "a")))`, isStale},
	{`hex(hmac_sha256(key, choose(method == "GET", "a", stamp)))`, isStale},
	{`hex(hmac_sha256(key, choose(method == "GET", request_string, stamp)))`, isStale},
	{`hex(hmac_sha256(key, now.format("%Y-%m-%d")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%d %H %M")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%%d%%H%%M%%S")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%3f%6f")))`, isStale},
	{`stamp + hex(sha256(key))`, isStale},
	{`hex(sha256(key)) + uuid + nonce`, isStale},
	{`lower(hex(hmac_sha256(key, "a"))) + body`, isStale},
	{`base64(sha256(key) + sha256(stamp))`, isStale},
	{`choose(method == "GET", hex(sha256(key)), stamp)`, isStale},
	{`choose(method == "GET", stamp, hex(sha256(key)))`, isStale},
	{`hex(sha256(hex(hmac_sha256(key, method))))`, isStale},
	{`hex(hmac_sha256(derive_hmac_sha256(seed, stamp), "static"))`, isStale},
	{`hex(hmac_sha256(derive_sha256(seed + uuid), field))`, isStale},
	// A request field counts only if it cannot be empty and has two values.
	{`hex(hmac_sha256(key, only))`, isStale},
	{`hex(hmac_sha256(key, cased))`, isStale}, // lower and upper leave one value
	{`hex(hmac_sha256(key, blank))`, isStale},
	{`hex(hmac_sha256(key, body))`, isStale},
	{`hex(hmac_sha256(key, small + only + blank))`, isStale},
	{`hex(hmac_sha256(key, bytes(percent_encode(only))))`, isStale},
	{`hex(hmac_sha256(key, hex(sha256(only))))`, isStale},
	{`hex(hmac_sha256(key, choose(method == "GET", method, only)))`, isStale},
	{`hex(hmac_sha256(key, derive_sha256(seed + only)))`, isStale},
	// Keys.
	{`hex(hmac_sha256(key + method, stamp))`, noKey},
	{`hex(hmac_sha256(key + stamp, stamp))`, noKey},
	{`hex(hmac_sha256(key + uuid, stamp))`, noKey},
	{`hex(hmac_sha256(key + nonce, stamp))`, noKey},
	{`hex(hmac_sha256(hex(key + body), stamp))`, noKey},
	{`hex(hmac_sha256(key + hex(sha256(body)), stamp))`, noKey},
	{`hex(hmac_sha256(key + choose(method == "GET", "a", "bb"), stamp))`, noKey},
	{`hex(hmac_sha256(derive_hmac_sha256(key + body, "a"), stamp))`, noKey},
	{`hex(hmac_sha256("key", stamp))`, "the key must be a secret"},
	{`hex(hmac_sha256(field, key))`, "the key must be a secret"},
	{`hex(hmac_sha256(sha256(key), stamp))`, "the key must be a secret"},
	{`hex(hmac_sha256(hex(sha256(key)), stamp))`, "the key must be a secret"},
	{`hex(sha256(stamp + hex(hmac_sha256(derive_sha256(key), stamp)) + key))`, apart},
	{`hex(hmac_sha256(derive_sha256(other), stamp))`, apart}, // other is a key of used
	{`hex(hmac_sha256(derive_hmac_sha256(raw, "a"), stamp))`, apart},
	{
		`hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(key, "a"), "b"), stamp)) + ` +
			`hex(hmac_sha256(derive_hmac_sha256(key, method), stamp))`,
		apart,
	},
	{`hex(hmac_sha256(derive_sha256(hex(secret_let)), stamp)) + hex(hmac_sha256(key, stamp))`, apart},
	{`hex(sha256(derive_sha256(derive_sha256(key)) + stamp)) + hex(sha256(derive_sha256(key + "") + stamp))`, apart},
	{`hex(hmac_sha256(key + "\x00", stamp))`, "it has bytes 0"},
	{`hex(hmac_sha256(key + "a\u0000b", stamp))`, "it has bytes 0"},
	{`hex(hmac_sha256(key + sha256("a"), stamp))`, "it has bytes 0, or a digest in bytes"},
	{`hex(hmac_sha256(derive_hmac_sha256(seed + "\x00", stamp), stamp))`, "it has bytes 0"},
	// HMAC hashes keys that are longer than a block, so a key and its hash can be the same key.
	{
		`hex(hmac_sha256(key, method)) + hex(sha256(key + uuid))`,
		"cannot be a key of hmac_sha256 that can have more than 64 bytes",
	},
	{
		`hex(hmac_sha256(hex(derive_sha512(seed + uuid)), method)) + hex(sha256(hex(derive_sha512(seed + uuid))))`,
		"cannot be a key of hmac_sha256",
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(hex(derive_sha512(seed)), "a"), method)) + ` +
			`hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(` +
			`derive_sha256(hex(derive_sha512(seed))), "a"), "x"), method))`,
		apart,
	},
	// A long key and its hash are the same key, so a caller could ask for what the long one derives: by sending its
	// message.
	{`hex(hmac_sha256(derive_sha256(long_let), request_string)) + ` +
		`hex(hmac_sha256(derive_hmac_sha256(long_let, now.format("%Y-%m-%d")), stamp))`, sameMake},
	{`hex(hmac_md5(derive_hmac_md5(seed, "a"), stamp)) + hex(hmac_md5(derive_md5(seed), stamp))`, sameMake},
	{`hex(hmac_sha1(derive_hmac_sha1(seed, "a"), stamp)) + hex(hmac_sha1(derive_sha1(seed), stamp))`, sameMake},
	{`hex(hmac_sha384(derive_hmac_sha384(seed, "a"), stamp)) + hex(hmac_sha384(derive_sha384(seed), stamp))`, sameMake},
	{`hex(hmac_sha512(derive_hmac_sha512(seed, "a"), stamp)) + hex(hmac_sha512(derive_sha512(seed), stamp))`, sameMake},
	{
		`hex(hmac_sha256(derive_hmac_sha256(hex(seed), "a"), stamp)) + ` +
			`hex(hmac_sha256(derive_sha256(base64(seed) + field), stamp))`,
		sameMake,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + hex(hmac_sha256(derive_sha256(seed + body), stamp))`,
		sameMake,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(seed + salt, "a"), stamp)) + hex(hmac_sha256(derive_sha256(salt + seed), stamp))`,
		sameMake,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(seed + salt, "a"), stamp)) + hex(hmac_sha256(derive_sha256(salt), stamp))`,
		sameMake,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + ` +
			`hex(hmac_sha256(derive_sha256(derive_sha256(seed)), stamp))`,
		sameMake,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + ` +
			`hex(hmac_sha256(derive_sha256(seed) + field + maybe, stamp))`,
		sameMake,
	},
	{`hex(hmac_sha256(derive_hmac_sha256(derive_sha512(seed) + derive_sha512(salt), "a"), stamp)) + ` +
		`hex(hmac_sha256(derive_sha256(derive_sha512(seed) + derive_sha512(salt)), stamp))`, sameMake},
	{`hex(hmac_sha256(derive_hmac_sha256(hex(derive_hmac_sha256(seed, "a")) + "b", "c"), stamp)) + ` +
		`hex(hmac_sha256(derive_sha256(hex(derive_hmac_sha256(derive_sha256(seed), "a")) + "b"), stamp))`, sameMake},
	// Two secrets, two hashes, or derived keys that are made of different ones, as AWS has them, are apart.
	{`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + hex(hmac_sha256(derive_sha256(salt), stamp))`, ""},
	{`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + hex(hmac_sha512(derive_sha512(seed), stamp))`, ""},
	{`hex(hmac_sha256(derive_hmac_sha256(seed, "a"), stamp)) + hex(hmac_sha256(derive_sha512(seed), stamp))`, ""},
	{
		`hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256("AWS4" + seed, now.format("%Y%m%d")), field), stamp + body))`,
		"",
	},
	// Extension.
	{`hex(sha256(key + stamp + body + "."))`, extended},
	{`hex(sha256(key + stamp + method + "." + field))`, extended},
	{`hex(sha256(key + stamp + body + base_url))`, extended},
	{`hex(sha256(key + stamp + body + "." + maybe))`, extended},
	{`hex(sha256(key + stamp + (body + (field + "."))))`, extended},
	{`hex(sha256(key + stamp + bytes(body + ".") + sha256("a")))`, extended},
	{`hex(sha256(key + stamp + body + hex(sha256(field))))`, extended},
	{`hex(sha256(key + stamp + body + choose(method == "GET", ".", "!")))`, extended},
	{`hex(sha256(key + stamp + lower(body + ".") + upper(field)))`, extended},
	{`hex(sha256(key + stamp + body + percent_encode(base_url) + "."))`, extended},
	{`hex(sha256(request_let + "."))`, extended},
	{`hex(sha256(key + uuid + path(body + stamp)))`, extended},
	{`hex(sha256(key + uuid + trim(body + stamp) + "."))`, extended},
	{`hex(sha256(key + stamp + choose(method == "GET", body + ".", "a")))`, extended},
	{`hex(sha256("a" + key + stamp + method + "b"))`, extended},
	{`hex(sha256(key + body + "." + stamp))`, ""},
	{`hex(sha256(key + stamp + body + "." + key))`, ""},
	{`hex(sha256(stamp + body + key + "."))`, ""},
	{`hex(sha256(key + stamp + body + "." + derive_sha256(seed) + "."))`, ""},
	{`hex(sha256(key + stamp + body + "." + uuid))`, ""},
	{`hex(sha256(key + stamp + percent_encode(body) + "."))`, ""},
	{`hex(sha384(key + stamp + body + "."))`, ""},
	{`hex(sha256(key + stamp + body))`, extended},
	{`hex(md5(key + stamp + body))`, extended},
	{`hex(sha1(key + stamp + method + bytes(body)))`, extended},
	{`hex(sha512(key + stamp + bytes(body)))`, extended},
	{`hex(sha256(hex(key) + stamp + body))`, extended},
	{`hex(sha256(key + stamp + lower(body)))`, extended},
	{`hex(sha256(key + stamp + (body + small)))`, extended},
	{`hex(sha256(key + stamp + body + maybe))`, extended},
	{`hex(sha256(small + key + stamp + body))`, extended},
	{`hex(sha256(key + stamp + choose(method == "GET", body, "a")))`, extended},
	{`hex(sha256(hex(sha256(key)) + stamp + body))`, extended},
	{`hex(sha256(request_let))`, extended},
	{`hex(sha256(key + uuid + path(body + "?")))`, extended},
	{`hex(sha256(key + uuid + query("?" + body)))`, extended},
	{`hex(sha256(key + uuid + path(path(body) + "?")))`, extended},
	{`hex(sha256(key + uuid + trim(query("?" + body) + " ")))`, extended},
	{`hex(sha256(key + uuid + trim(choose(field == "a", body, "a") + " ")))`, extended},
	{`hex(sha256(key + uuid + trim(body + " ")))`, extended},
	{`hex(sha256(trim(" " + hex(sha384(key + uuid))) + body))`, extended},
	{`hex(sha256(path("?" + body) + key + uuid + small))`, extended},
	// The syntax.
	{`key[0]`, notPart},
	{`key[0:1]`, notPart},
	{`len(key)`, "there is no function len; there are choose, "},
	{`string(key)`, "there is no function string"},
	{`print(key)`, "there is no function print"},
	{`secret(key)`, "there is no function secret"},
	{`key.String()`, "there is no method String of a secret, which has none"},
	{`key.reveal`, notPart},
	{`hex`, "this is a function, and no value of this name is declared"},
	{`hex.hex(key)`, "write hex(x)"},
	{`(hex)(key)`, "only a name can be called"},
	{`hex(key)(key)`, "only a name can be called"},
	{`"a".hex()`, "write hex(x)"},
	{`unix(now)`, "write now.unix()"},
	{`hex(key...)`, notPart},
	{`func() string { return key }()`, notPart},
	{`map[string]string{"a": key}`, notPart},
	{`[]string{key}`, notPart},
	{`&key`, notPart},
	{`*key`, notPart},
	{`-key`, notPart},
	{`key - other`, notPart},
	{`1`, noNumbers},
	{`'a'`, notPart},
	{`1 == 1`, noNumbers},
	{`key < other`, notPart},
	{`key; other`, notPart},
	{`key // a comment`, notPart},
	{`key /* a comment */`, notPart},
	{`key.(string)`, notPart + "|" + noExpr},
	{`chan key`, notPart},
	{`interface{}`, notPart},
	{`a := key`, notPart},
	{`$key`, notPart},
	{"`${key}`", ""},     // text, as it stands
	{`"{{ .key }}"`, ""}, // text, as it stands
	{`"%s" + stamp`, ""}, // text, as it stands
	{`"$(cat key)"`, ""}, // text, as it stands
	{`now`, "is a timestamp; now.unix()"},
	{`true`, "there is no such value; a bool comes from a comparison"},
	{`nil`, "there is no such value"},
	{`+body`, "+ joins two values"},
	{`hex("a")`, "; bytes(…) makes bytes of a string"},
	{`now + stamp`, joins},
	{`key + now`, joins},
	{`key + (method == "GET")`, joins},
	{`sha256(key + stamp)`, "is bytes; hex(…) or base64(…) makes a string of them"},
	{`hex("a")`, takes},
	{`hex(sha256(stamp), "a")`, takes},
	{`hex()`, takes},
	{`method == "GET"`, "must be string, and is bool"},
	{`choose(method, "a", "b")`, takes},
	{`!method`, "! takes a bool, not string"},
	{`method && body`, "takes two bools"},
	{`sha256(stamp) + stamp`, joins},
	{`now.format("%q")`, "the layout can have"},
	{`now.format("%")`, "the layout can have"},
	{`now.format(method)`, "the layout is one string literal"},
	{`now.format("%Y" + "%m")`, "the layout is one string literal"},
	{`now.unix("a")`, takes},
	{`undeclared`, "this name is not declared"},
	{`"\xff"`, "is not a string of valid UTF-8"},
	{`"unclosed`, "this string does not end on its line"},
	{`now()`, "now is a value, and no function"},
	{`now + stamp + "a"`, "now.unix(), now.rfc3339() and others make a string of a timestamp"},
	{``, "is empty"},
	{`circle`, "in a circle"},
	// The same, where it is safe.
	{`hex(hmac_sha256(derive_hmac_sha256(seed, stamp), stamp))`, ""},
	{`hex(hmac_sha256(derive_sha256(derive_sha256(seed + body)) + field, method))`, ""},
	{`hex(sha256(derive_sha256(seed + uuid)))`, ""},
	{`hex(hmac_sha256(key, stamp))`, ""},
	{`hex(hmac_sha256(key, method + "\n" + body))`, ""},
	{`hex(hmac_sha256(key, sorted_query(query(request_string)) + stamp))`, ""},
	{`hex(hmac_sha256(key + field, stamp))`, ""},
	{`hex(hmac_sha256(key, key + stamp))`, ""},
	{`hex(sha256(stamp + body + key))`, ""},
	{`hex(sha384(key + stamp + body))`, ""},
	{`hex(sha256(key + stamp + hex(sha256(body))))`, ""},
	{`hex(sha256(sha256(key) + bytes(stamp)))`, ""},
	{`hex(hmac_sha256(key, now.format("%d%H%M%S")))`, ""},
	{`hex(hmac_sha256(key, choose(method == "GET", stamp, uuid)))`, ""},
	{`base64(hmac_sha512(raw + digits, nonce))`, ""},
	{`json(field) + stamp`, ""},
	{`path(hex(hmac_sha256(key, stamp)))`, ""},
	{`hex(hmac_sha256(key + hex(sha256(field)), stamp))`, ""},
	{`hex(hmac_sha256(key, stamp + body + "\x00"))`, ""},
	{`hex(hmac_sha256(key, request_string))`, ""},
	{`hex(hmac_sha256(key, lower(trim(method)) + only + body))`, ""},
	{`hex(hmac_sha512(key, method)) + hex(sha256(key + uuid))`, ""},
	// A key of 32 bytes is not hashed.
	{
		`hex(hmac_sha256(derive_sha256(seed), stamp)) + hex(sha256(derive_sha256(seed) + uuid))`,
		"",
	},
	{`hex(sha256(key + stamp + percent_encode(body)))`, ""},
	{`hex(sha256(key + body + stamp))`, ""},
	{`hex(sha256(stamp + key + body))`, extended}, // wherever the secret is
	{`hex(sha256("v1" + key + stamp + body))`, extended},
	{`hex(sha1(uuid + "." + key + "." + body))`, extended},
	{`hex(hmac_sha256(key + choose(field == method, "a", "bb"), stamp))`, noKey},
	{`hex(hmac_sha256(derive_sha256(seed), stamp)) + hex(sha256(seed + uuid))`, apart},
	{`hex(hmac_sha256(key, method)) + hex(sha256(key + uuid)) + hex(sha256(uuid))`, "cannot be a key of hmac_sha256"},
	{`hex(sha256(key + stamp + body + hex(sha256(maybe))))`, extended},
	{`hex(sha256(key + stamp + body + hex(sha256(small))))`, ""},
	{`hex(hmac_sha256(derive_sha256(seed), stamp)) + hex(hmac_sha512(key, seed + uuid))`, apart},
	{
		`hex(hmac_sha256(derive_sha512(seed + uuid) + "a", method)) + hex(sha256(derive_sha512(seed + uuid) + "a"))`,
		"cannot be a key of hmac_sha256",
	},
	{`hex(hmac_sha256(derive_sha512(seed + uuid), method)) + hex(sha256(derive_sha512(seed + uuid)))`, ""},
	{`hex(sha256(hex(hmac_sha256(derive_sha256(seed + uuid), "a"))))`, isStale},
	{`hex(hmac_sha256(key, hmac_sha256(derive_sha256(seed + method), "a")))`, isStale},
	{`hex(hmac_sha256(key, hex(sha256(seed)) + stamp))`, ""},
	{`hex(sha256(derive_hmac_sha256(derive_sha256(seed + uuid), "a")))`, isStale},
	{`hex(hmac_sha256(key, derive_hmac_sha256(derive_sha256(seed + method), "a")))`, isStale},
	{`hex(hmac_sha256(derive_hmac_sha256(salt, seed), stamp)) + hex(sha256(seed + uuid))`, apart},
	{
		`hex(hmac_sha256(derive_sha256(seed), stamp)) + hex(hmac_sha256(derive_sha256(salt), stamp)) + ` +
			`hex(sha256(seed + uuid))`,
		apart,
	},
	{
		`hex(hmac_sha256(derive_hmac_sha256(hex(derive_sha256(seed)) + "a", "a"), method)) + ` +
			`hex(hmac_sha256(derive_hmac_sha256(derive_hmac_sha256(` +
			`derive_sha256(hex(derive_sha256(seed)) + "a"), "a"), "x"), method))`,
		apart,
	},
	{`hex(sha256(key + stamp + choose(method == "GET", "a", body)))`, extended},
	{`hex(hmac_sha256(key + choose(field == "a" && method == "GET", "a", "bb"), stamp))`, noKey},
	{`hex(hmac_sha256(key + choose(field == "a" || method == "GET", "a", "bb"), stamp))`, noKey},
	{`hex(sha256(key + uuid + body + key))`, ""},
	{`hex(hmac_sha256(key, now.format("%H%M%S")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%d%M%S")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%d%H%S")))`, isStale},
	{`hex(hmac_sha256(key, now.format("%d%H%M")))`, isStale},
	{`hex(sha256(key + body + derive_sha256(seed + uuid)))`, ""},
	{`hex(sha256(key + body + (stamp + "a")))`, ""},
	{`json(raw + key)`, "json takes secrets of the encoding text"},
	{`json(sha256(stamp) + key)`, "json takes secrets of the encoding text"},
	{`hex(sha256(choose(field == "a", hex(sha256(key)), "a") + stamp + body))`, extended},
	{`hex(sha256(choose(field == "a", "a", hex(sha256(key))) + stamp + body))`, extended},
	{`hex(hmac_sha256(key, derive_sha256(seed + method)))`, ""},
	{`hex(sha256(derive_sha256(seed) + stamp + body))`, extended},
	// Private keys.
	{`rsakey`, keyAway},
	{`(edkey)`, keyAway},
	{`pair_let`, keyAway},
	{`hex(rsakey)`, onlySigns},
	{`hex(pair_let)`, onlySigns},
	{`base64(edkey)`, onlySigns},
	{`json(eckey)`, onlySigns},
	{`percent_encode(rsakey)`, onlySigns},
	{`hex(bytes(rsakey))`, onlySigns},
	{`lower(rsakey)`, onlySigns},
	{`rsakey + "a"`, onlySigns},
	{`hex(sha256(key + rsakey))`, onlySigns},
	{`hex(sha256(rsakey))`, onlySigns},
	{`hex(hmac_sha256(rsakey, stamp))`, "; the key must be a secret"},
	{`hex(hmac_sha256(key, rsakey))`, onlySigns},
	{`hex(hmac_sha256(derive_sha256(rsakey), stamp))`, onlySigns},
	{`choose(rsakey == rsakey, "a", "b")`, compared},
	{`choose(rsakey == "a", "a", "b")`, compared},
	{`choose(rsakey.startsWith("M"), "a", "b")`, onlySigns},
	{`choose(method == "GET", rsakey, "a")`, onlySigns},
	{`rsakey.unix()`, onlySigns},
	{`hex(rsa_sha256(key, stamp))`, needsKey},
	{`hex(rsa_sha256("a", stamp))`, needsKey},
	{`hex(ed25519(raw, stamp))`, needsKey},
	{`hex(ed25519(derive_sha256(seed), stamp))`, needsKey},
	{`hex(public_key(key))`, needsKey},
	{`hex(rsa_sha256(rsakey))`, takes},
	{`hex(rsa_sha256(rsakey, stamp, stamp))`, takes},
	{`hex(rsa_sha256(stamp, rsakey))`, needsKey},
	{`hex(rsa_sha256(rsakey, rsakey))`, takes},
	{`hex(rsa_sha256(rsakey, now))`, takes},
	{`hex(rsa_sha256(rsakey, key))`, "; a private key signs no secret"},
	{`hex(ed25519(edkey, derive_sha256(seed + stamp)))`, "; a private key signs no secret"},
	{`hex(rsa_sha256(eckey, stamp))`, "rsa_sha256 takes a key that is declared rsa, and this one is declared p256"},
	{`hex(rsa_pss_sha512(edkey, stamp))`, "takes a key that is declared rsa, and this one is declared ed25519"},
	{`hex(ecdsa_sha384(eckey, stamp))`, "ecdsa_sha384 takes a key that is declared p384, and this one is declared p256"},
	{`hex(ed25519(pair_let, stamp))`, "ed25519 takes a key that is declared ed25519, and this one is declared rsa"},
	{`hex(rsa_sha256(pair_let, stamp))`, ""},
	{`rsakey.rsa_sha256(stamp)`, "write rsa_sha256(key, message)"},
	{`hex(rsa_sha1(rsakey, stamp))`, "there is no function rsa_sha1"},
	{`hex(ecdsa_sha512(eckey, stamp))`, "there is no function ecdsa_sha512"},
	{`hex(private_key(rsakey))`, "there is no function private_key"},
	// Signatures stay as they are if their message does.
	{`hex(rsa_sha256(rsakey, "a"))`, isStale},
	{`hex(rsa_pss_sha256(rsakey, "a"))`, isStale},
	{`hex(ecdsa_sha256(eckey, "a"))`, isStale},
	{`hex(ed25519(edkey, field))`, isStale},
	{`hex(ed25519(edkey, body))`, isStale},
	{`hex(ed25519(edkey, only))`, isStale},
	{`hex(ed25519(edkey, path(request_string)))`, isStale},
	{`hex(ed25519(edkey, now.format("%Y%m%d")))`, isStale},
	{`hex(ed25519(edkey, public_key(edkey)))`, isStale},
	{`hex(sha256(ed25519(edkey, "a")))`, isStale},
	{`hex(hmac_sha256(key, ed25519(edkey, "a")))`, isStale},
	{`hex(ed25519(edkey, hex(ed25519(edkey, "a"))))`, isStale},
	{`hex(rsa_sha256(rsakey, "a")) + uuid`, isStale},
	{`hex(ed25519(edkey, method))`, ""},
	{`hex(ed25519(edkey, bytes(stamp)))`, ""},
	{`hex(ed25519(edkey, hmac_sha256(key, stamp)))`, ""},
	{`hex(sha256(hex(ed25519(edkey, "a")) + stamp))`, ""},
	{`hex(sha256(hex(ed25519(edkey, "a")) + stamp + body))`, extended},
	// A signature in a key or a hash is as a digest is there.
	{`hex(hmac_sha256(key + ed25519(edkey, "a"), stamp))`, nullBytes},
	{`hex(hmac_sha256(key + hex(ed25519(edkey, "a")), stamp))`, ""},
	{`hex(hmac_sha256(key + hex(ed25519(edkey, stamp)), stamp))`, noKey},
	{`hex(hmac_sha256(key + hex(rsa_pss_sha256(rsakey, "a")), stamp))`, noKey}, // its salt is made of nonce
	{`hex(sha256(key + stamp + bytes(body) + ed25519(edkey, stamp)))`, ""},
	{`hex(sha256(key + stamp + body + hex(ed25519(edkey, "a"))))`, ""},
	{
		`hex(sha256(ed25519(edkey, stamp))) + hex(hmac_sha256(derive_sha256(seed + hex(ed25519(edkey, stamp))), stamp))`,
		"",
	},
	// Signatures and public keys are not compared.
	{`choose(hex(ed25519(edkey, stamp)) == field, "a", "b")`, compared},
	{`choose(hex(sha256(ed25519(edkey, stamp))).contains("a"), "a", "b")`, compared},
	{`sorted_query(hex(ed25519(edkey, stamp)))`, compared},
	{`choose(hex(public_key(edkey)) == field, "a", "b")`, compared},
	{`choose(hex(sha256(public_key(edkey))).startsWith("a"), "a", "b")`, compared},
	{`choose(path(base64(public_key(edkey)) + "a") == "b", "a", "b")`, compared},
	{`sorted_query(base64(public_key(edkey)))`, compared},
	// A public key is public otherwise.
	{`hex(public_key(edkey))`, ""},
	{`base64(sha256(public_key(rsakey)))`, ""},
	{`hex(sha256(public_key(edkey) + bytes(body)))`, ""},
	{`hex(hmac_sha256(key, public_key(edkey)))`, isStale},
	{`hex(hmac_sha256(key + public_key(edkey), stamp))`, "cannot be a key: it has bytes 0"},
	{`public_key(edkey)`, "is bytes"},
	// The work is bounded.
	{
		`hex(ed25519(edkey, stamp + "1")) + hex(ed25519(edkey, stamp + "2")) + hex(ed25519(edkey, stamp + "3")) + ` +
			`hex(ed25519(edkey, stamp + "4")) + hex(ed25519(edkey, stamp + "5"))`,
		fourTimes,
	},
	{
		`hex(ed25519(edkey, stamp)) + hex(ecdsa_sha256(eckey, stamp)) + hex(rsa_sha256(rsakey, stamp)) + ` +
			`hex(rsa_pss_sha256(rsakey, stamp)) + hex(rsa_sha512(rsakey, stamp))`,
		fourTimes,
	},
	{
		`hex(ed25519(edkey, stamp)) + hex(ecdsa_sha256(eckey, stamp)) + hex(rsa_sha256(rsakey, stamp)) + ` +
			`hex(rsa_pss_sha256(rsakey, stamp)) + hex(public_key(edkey))`,
		"",
	},
	// What decodes or measures tells something, so it takes nothing that a secret flows into.
	{`decoded_query(key)`, takes},
	{`sorted_pairs(key, "", "")`, takes},
	{`hex(unhex(key))`, takes},
	{`hex(unbase64(base64(key)))`, takes},
	{`segment(key, "1")`, takes},
	{`length(key)`, takes},
	{`host_of(key)`, takes},
	{`length(hex(sha256(key + stamp)))`, "length" + noSecret},
	{`decoded_query(hex(sha256(key + stamp)))`, "decoded_query" + noSecret},
	{`sorted_pairs(digest_let + "&" + body, "=", "&")`, "sorted_pairs" + noSecret},
	{`hex(unhex(hex(sha256(key + stamp))))`, "unhex" + noSecret},
	{`hex(unbase64(base64(hmac_sha256(key, stamp))))`, "unbase64" + noSecret},
	{`segment("/" + base64(hmac_sha256(key, stamp)), "2")`, "segment" + noSecret}, // whether there is a slash
	{`host_of(hex(sha256(key + stamp)))`, "host_of takes base_url, or a field with address: true"},
	{`host_of(field)`, "host_of takes base_url, or a field with address: true"},
	{`host_of(lower(base_url))`, "host_of takes base_url"},
	{`host_of(base_url + method)`, "host_of takes base_url"},
	{`host_of(query(base_url))`, "host_of takes base_url"},
	// They can lose what is fresh or requested.
	{`hex(hmac_sha256(key, unhex(stamp)))`, isStale},
	{`hex(hmac_sha256(key, unhex(nonce)))`, isStale},
	{`hex(hmac_sha256(key, unhex(request_string)))`, isStale},
	{`hex(hmac_sha256(key, unbase64(uuid)))`, isStale},
	{`hex(hmac_sha256(key, unbase64(method)))`, isStale},
	{`hex(hmac_sha256(key, segment("/" + stamp, "1")))`, isStale},
	{`hex(hmac_sha256(key, segment(request_string, "1")))`, isStale},
	{`hex(hmac_sha256(key, length(uuid)))`, isStale},
	{`hex(hmac_sha256(key, length(request_string)))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(only)))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(escaped)))`, isStale},
	{`hex(hmac_sha256(key, sorted_pairs(ordered, "=", "&")))`, isStale},
	{`hex(hmac_sha256(key, sorted_pairs(ordered, "", "") + decoded_query(escaped)))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(hex(unhex(method)))))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(length(request_string))))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(segment(request_string, "1"))))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(choose(method == "GET", method, only))))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(choose(method == "GET", only, method))))`, isStale},
	{`hex(hmac_sha256(key, decoded_query(method + ".")))`, ""},
	{`hex(hmac_sha256(key, escaped))`, ""},
	{`hex(hmac_sha256(key, ordered))`, ""},
	{`hex(hmac_sha256(key, decoded_query(method)))`, ""},
	{`hex(hmac_sha256(key, sorted_pairs(request_string + stamp, "=", "&")))`, ""},
	{`hex(hmac_sha256(key, decoded_query("a=" + stamp)))`, ""},
	{`hex(hmac_sha256(key, unhex(stamp) + bytes(stamp)))`, ""},
	// Every byte can come out of them, so they end a text as a request field does, and pad a key as zeros do.
	{`hex(sha256(key + stamp + decoded_query(body)))`, extended},
	{`hex(sha256(key + stamp + sorted_pairs(body, "=", "&") + "."))`, extended},
	{`hex(sha256(key + stamp + unhex(body)))`, extended},
	{`hex(sha256(key + stamp + unbase64(body) + unhex("ff")))`, extended},
	{`hex(sha256(key + stamp + unhex(hex(bytes(body)))))`, extended},
	{`hex(sha256(key + stamp + decoded_query(percent_encode(body))))`, extended},
	{`hex(sha256(key + stamp + segment(request_string, "2")))`, extended},
	{`hex(sha256(key + stamp + body + unhex(field)))`, extended},
	{`hex(sha256(key + body + stamp + unhex(field)))`, ""},
	{`hex(sha256(key + stamp + length(body)))`, ""},
	{`hex(hmac_sha256(key + length(decoded_query(field)), stamp))`, ""},
	{`hex(hmac_sha256(key + decoded_query(field), stamp))`, nullBytes},
	{`hex(hmac_sha256(key + sorted_pairs(field, "", ""), stamp))`, nullBytes},
	{`hex(hmac_sha256(key + unhex(field), stamp))`, nullBytes},
	{`hex(hmac_sha256(key + unbase64(field), stamp))`, nullBytes},
	{`hex(hmac_sha256(key + segment(field, "1"), stamp))`, ""},
	{`hex(hmac_sha256(key + length(field) + host_of(base_url), stamp))`, ""},
	{`hex(hmac_sha256(key + length(body), stamp))`, noKey},
	{`hex(hmac_sha256(key + segment(request_string, "1"), stamp))`, noKey},
	// Their literals.
	{`segment(request_string, 2)`, noNumbers + "; write segment(x, n) with a number in quotes"},
	{`segment(request_string, "0")`, "from \"1\" to \"16\""},
	{`segment(request_string, "17")`, "from \"1\" to \"16\""},
	{`segment(request_string, "01")`, "from \"1\" to \"16\""},
	{`segment(request_string, "+1")`, "from \"1\" to \"16\""},
	{`segment(request_string, "-1")`, "from \"1\" to \"16\""},
	{`segment(request_string, method)`, "must be a number in quotes"},
	{`segment(request_string, "1" + "")`, "must be a number in quotes"},
	{`sorted_pairs(body, method, "&")`, "must be a string literal"},
	{`sorted_pairs(body, "=", ("&"))`, "must be a string literal"},
	{`sorted_pairs(body, "0123456789abcdefg", "&")`, "is longer than 16 bytes"},
	{`sorted_pairs(body, "&", "0123456789abcdefg")`, "is longer than 16 bytes"},
	{`sorted_pairs(small, "0123456789abcdef", "0123456789abcdef")`, ""},
	// Times from now.
	{`hex(hmac_sha256(key, now.plus("9m").unix()))`, ""},
	{`hex(hmac_sha256(key, now.minus("60s").format("%d%H%M%S")))`, ""},
	{`hex(hmac_sha256(key, now.plus("24h").format("%Y%m%d")))`, isStale},
	{`hex(hmac_sha256(key + now.plus("9m").unix(), stamp))`, noKey},
	{`now.plus("24h").minus("24h").plus("24h").unix()`, ""},
	{`now.plus("24h").plus("1s").unix()`, "goes more than 24h away from now"},
	{`now.minus("12h").minus("12h1s").unix()`, "goes more than 24h away from now"},
	{`now.plus("24h1s").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("1500ms").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("0s").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("-9m").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("60").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("").unix()`, "whole seconds from 1s to 24h"},
	{`now.plus("00000000000000001s").unix()`, "is longer than 16 bytes"},
	{`now.plus(60).unix()`, noNumbers + "; write now.plus(duration) with a string literal"},
	{`now.plus(method).unix()`, "must be a string literal"},
	{`now.plus(key).unix()`, takes},
	{`now.plus("9m")`, "is a timestamp; now.unix()"},
	{`key.plus("9m")`, takes},
	// json of a secret that is encoded.
	{`json(base64(raw)) + json(base64url(digits)) + json(hex(raw))`, givesAway},
	{`hex(hmac_sha256(key, json(percent_encode(raw)) + json(hex(derive_sha256(seed)) + key) + stamp))`, ""},
	{`hex(sha256(json(hex(raw) + raw) + stamp))`, "json takes secrets of the encoding text"},
	{`json(hex(key) + sha256(stamp))`, "json takes secrets of the encoding text"},
	// What people write who know other languages.
	{`nonce(64)`, "nonce is a value, and no function; " + noNumbers},
	{`substr(method, 0, 2)`, "there is no function substr; " + noNumbers},
	{`substr(hex(key), ((0)))`, "there is no function substr; " + noNumbers},
	{`hex(sha256(stamp), 2)`, noNumbers + "; write hex(x)"},
	{`substr(method)`, "there is no function substr; there are choose, "},
	{`a0b1c2d3e4f5a6b7(key)`, "there is no such function; there are choose, "}, // it may be a secret
	{`now.a0b1c2d3e4f5a6b7()`, "there is no such method of a timestamp"},
	{`now.strftime("%Y")`, "there is no method strftime of a timestamp; there are rfc3339, rfc3339_ms, http_date, unix, " +
		"unix_ms, format, plus, minus"},
	{`method.strip()`, "there is no method strip of a string; there are startsWith, endsWith, contains"},
	{`HMAC-SHA256`, notPart + "; text stands in quotes of its own: '\"HMAC-SHA256\"'"},
	{`"a" + HMAC_SHA256`, "this name is not declared"},
	{`GET`, "text stands in quotes"},
	{`now.format("")`, "the layout has no %"},
	{`now.format("Ymd")`, "the layout has no %, so it says nothing of the time; it can have %Y year"},
	{`now.format("%%")`, ""},
}

func TestHostileExpressions(t *testing.T) {
	t.Parallel()
	require.Greater(t, len(hostileExpressions), 500)
	for _, test := range hostileExpressions {
		t.Run(test.expression, func(t *testing.T) {
			t.Parallel()
			lets := "  secret_let: (key)\n  request_let: key + stamp + body\n"
			switch {
			case strings.Contains(test.expression, "digest_let"): // which would meet key in an HMAC
				lets += "  digest_let: hex(sha256(key))\n"
			case strings.Contains(test.expression, "derived_let"):
				lets = "  derived_let: derive_sha256(key)\n"
			case strings.Contains(test.expression, "long_let"):
				lets = "  long_let: seed + \"" + strings.Repeat("x", 64) + "\"\n"
			case strings.Contains(test.expression, "pair_let"):
				lets += "  pair_let: (rsakey)\n"
			case test.expression == "circle":
				lets = "  circle: round + \"\"\n  round: circle + \"\"\n"
			}
			_, err := scheme.Parse(hostileDocument(test.expression, lets, ""))
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			matched := false
			for want := range strings.SplitSeq(test.want, "|") {
				matched = matched || strings.Contains(err.Error(), want)
			}
			require.True(t, matched, err)
			// The two switches lift their own rule and no other.
			_, err = scheme.Parse(hostileDocument(test.expression, lets, "allow_static: true"))
			require.Equal(t, test.want == isStale, err == nil)
			_, err = scheme.Parse(hostileDocument(test.expression, lets, "allow_extension: true"))
			require.Equal(t, test.want == extended, err == nil, err)
		})
	}
}
