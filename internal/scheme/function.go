package scheme

import (
	"crypto/hmac"
	"crypto/md5"  //nolint:gosec // vendors sign with it
	"crypto/sha1" //nolint:gosec // vendors sign with it
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
	"time"
)

// signature is one way to call a function.
type signature struct {
	takes []kind
	gives kind
}

// flow says what is known of a function's result, given what is known of its arguments, or why they are refused. The kind and
// the size of the result are filled in by the caller.
type flow func(c *checker, at call, args []operand) (facts, error)

// function is a function or a method of the language. A method's first argument is what stands before the dot.
type function struct {
	name   string
	method bool
	// arguments are their names, for the reference: "key, message".
	arguments  string
	signatures []signature
	help       string

	// size is the size of the largest result, given those of the arguments.
	size func(sizes []int) int
	flow flow
	// literal says that the last argument is one string literal, a layout.
	literal bool
	// unit is the smallest one of what an instant is written in, if that is a fraction of a second.
	unit time.Duration

	// One of these computes the result.
	one       func(string) string
	two       func(a, b string) string
	instant   func(time.Time) string
	condition func(a, b string) bool
}

// functions are the language's, by name. The table in docs/schemes.md is made of them.
var functions = map[string]*function{}

// functionList has them in the order of the reference.
var functionList = buildFunctions()

func init() { //nolint:gochecknoinits // the map is the list once more
	for i := range functionList {
		functions[functionList[i].name] = &functionList[i]
	}
}

func one(takes, gives kind) signature     { return signature{[]kind{takes}, gives} }
func two(a, b kind, gives kind) signature { return signature{[]kind{a, b}, gives} }

func same(sizes []int) int { return sizes[0] }

func constant(size int) func([]int) int { return func([]int) int { return size } }

func buildFunctions() []function {
	textual := []signature{one(kindString, kindString), one(kindSecret, kindSecret)}
	public := []signature{one(kindString, kindString)}
	compared := []signature{two(kindString, kindString, kindBool)}
	list := []function{
		{
			name: "choose", arguments: "condition, a, b", size: func(sizes []int) int { return max(sizes[1], sizes[2]) }, flow: flowChoose,
			signatures: []signature{{[]kind{kindBool, kindString, kindString}, kindString}},
			help:       "a if the condition holds, else b",
		},
		{
			name: "bytes", arguments: "x", size: same, flow: flowKeep, one: func(x string) string { return x },
			signatures: []signature{one(kindString, kindBytes)},
			help:       "the bytes of a string",
		},
		{
			name: "hex", arguments: "x", size: func(sizes []int) int { return 2 * sizes[0] }, flow: flowEncode,
			one:        func(x string) string { return hex.EncodeToString([]byte(x)) },
			signatures: []signature{one(kindBytes, kindString), one(kindSecret, kindSecret)},
			help:       "lower-case hex digits",
		},
		{
			name: "base64", arguments: "x", size: base64Size, flow: flowEncode,
			one:        func(x string) string { return base64.StdEncoding.EncodeToString([]byte(x)) },
			signatures: []signature{one(kindBytes, kindString), one(kindString, kindString), one(kindSecret, kindSecret)},
			help:       "base64 with padding (RFC 4648, section 4)",
		},
		{
			name: "base64url", arguments: "x", size: base64Size, flow: flowEncode,
			one:        func(x string) string { return base64.RawURLEncoding.EncodeToString([]byte(x)) },
			signatures: []signature{one(kindBytes, kindString), one(kindString, kindString), one(kindSecret, kindSecret)},
			help:       "base64url without padding (RFC 4648, section 5)",
		},
		{
			name: "percent_encode", arguments: "x", size: func(sizes []int) int { return 3 * sizes[0] }, flow: flowEncode, one: percentEncode,
			signatures: textual,
			help:       "every byte outside `A-Za-z0-9-._~` as `%` and two upper-case hex digits",
		},
		{
			name: "percent_encode_path", arguments: "x", size: func(sizes []int) int { return 3 * sizes[0] }, flow: flowEncode,
			one: percentEncodePath, signatures: public,
			help: "`percent_encode` of each segment of a path: `/` stays, and what is encoded already is encoded again",
		},
		{
			name: "json", arguments: "x", size: func(sizes []int) int { return 6*sizes[0] + 2 }, flow: flowJSON, one: jsonString,
			signatures: textual,
			help:       "a JSON string with its quotes; of secrets, only those that are text, or are joined of such and strings",
		},
		{name: "lower", arguments: "x", size: same, flow: flowKeep, one: lowerASCII, signatures: public, help: "ASCII letters in lower case"},
		{name: "upper", arguments: "x", size: same, flow: flowKeep, one: upperASCII, signatures: public, help: "ASCII letters in upper case"},
		{
			name: "trim", arguments: "x", size: same, flow: flowShorten, one: trim, signatures: public,
			help: "without space, tab, CR and LF at both ends",
		},
		{
			name: "path", arguments: "x", size: same, flow: flowCut, one: pathOf, signatures: public,
			help: "what is before the first `?`; all of a text without one",
		},
		{
			name: "query", arguments: "x", size: same, flow: flowCut, one: queryOf, signatures: public,
			help: "what is after the first `?`; empty without one",
		},
		{
			name: "sorted_query", arguments: "x", size: func(sizes []int) int { return 3*sizes[0] + 1 }, flow: flowSort, one: sortedQuery,
			signatures: public,
			help: "the parameters of a query, decoded (`+` is a space), percent-encoded, then sorted by name and value; duplicates stay, " +
				"`=` is always written; not of what a secret flows into",
		},
		{
			name: "startsWith", method: true, arguments: "x", flow: flowCompare, condition: strings.HasPrefix, signatures: compared,
			size: constant(1), help: "whether the string begins with x",
		},
		{
			name: "endsWith", method: true, arguments: "x", flow: flowCompare, condition: strings.HasSuffix, signatures: compared,
			size: constant(1), help: "whether the string ends with x",
		},
		{
			name: "contains", method: true, arguments: "x", flow: flowCompare, condition: strings.Contains, signatures: compared,
			size: constant(1), help: "whether x is in the string",
		},
	}
	list = append(list, instants()...)
	return append(list, digests()...)
}

func base64Size(sizes []int) int { return 4 * ((sizes[0] + 2) / 3) }

// instants are the methods of now.
func instants() []function {
	written := []signature{one(kindTimestamp, kindString)}
	formatted := func(layout string) func(time.Time) string {
		return func(at time.Time) string { return at.UTC().Format(layout) }
	}
	return []function{
		{
			name: "rfc3339", method: true, signatures: written, size: constant(20), flow: flowFresh, instant: formatted(layoutRFC3339),
			help: "`2026-01-02T03:04:05Z`",
		},
		{
			name: "rfc3339_ms", method: true, signatures: written, size: constant(24), flow: flowFresh, instant: formatted(layoutRFC3339ms),
			unit: time.Millisecond,
			help: "`2026-01-02T03:04:05.678Z`",
		},
		{
			name: "http_date", method: true, signatures: written, size: constant(29), flow: flowFresh, instant: formatted(layoutHTTPDate),
			help: "`Fri, 02 Jan 2026 03:04:05 GMT`",
		},
		{
			name: "unix", method: true, signatures: written, size: constant(20), flow: flowFresh, instant: unix,
			help: "`1767323045`",
		},
		{
			name: "unix_ms", method: true, signatures: written, size: constant(20), flow: flowFresh, instant: unixMS,
			unit: time.Millisecond,
			help: "`1767323045678`",
		},
		{
			name: "format", method: true, arguments: "layout", literal: true, flow: flowFresh,
			signatures: []signature{two(kindTimestamp, kindString, kindString)},
			help:       "by a layout, which is one string literal: " + directiveHelp() + "; in UTC, fractions are cut off",
		},
	}
}

func directiveHelp() string {
	var words []string
	for _, directive := range directives {
		words = append(words, "`%"+directive.name+"` "+directive.help)
	}
	return strings.Join(append(words, "`%%` a percent sign"), ", ")
}

// digests are the ways out for a secret.
func digests() []function {
	hashes := []struct {
		name string
		new  func() hash.Hash
		// extendable says that who knows a digest, and the length of what was hashed, can compute that of a longer text.
		extendable bool
	}{
		{"md5", md5.New, true},
		{"sha1", sha1.New, true},
		{"sha256", sha256.New, true},
		{"sha384", sha512.New384, false},
		{"sha512", sha512.New, true},
	}
	var plain, keyed, derived, derivedKeyed []function
	for _, h := range hashes {
		size := constant(h.new().Size())
		sum := func(x string) string {
			digest := h.new()
			digest.Write([]byte(x))
			return string(digest.Sum(nil))
		}
		mac := func(key, message string) string {
			digest := hmac.New(h.new, []byte(key))
			digest.Write([]byte(message))
			return string(digest.Sum(nil))
		}
		messages := func(gives kind) []signature {
			return []signature{
				two(kindSecret, kindString, gives), two(kindSecret, kindBytes, gives), two(kindSecret, kindSecret, gives),
			}
		}
		plain = append(plain, function{
			name: h.name, arguments: "x", size: size, flow: flowDigest(h.name, h.extendable), one: sum,
			signatures: []signature{one(kindString, kindBytes), one(kindBytes, kindBytes), one(kindSecret, kindBytes)},
			help:       "the digest; a secret's way out",
		})
		keyed = append(keyed, function{
			name: "hmac_" + h.name, arguments: "key, message", size: size, flow: flowHMAC(h.name, h.new().BlockSize()), two: mac,
			signatures: messages(kindBytes),
			help:       "the HMAC (RFC 2104); a secret's way out",
		})
		derived = append(derived, function{
			name: "derive_" + h.name, arguments: "x", size: size, flow: flowDerive, one: sum,
			signatures: []signature{one(kindSecret, kindSecret)},
			help:       "the digest as a secret, for keys that are made of keys",
		})
		derivedKeyed = append(derivedKeyed, function{
			name: "derive_hmac_" + h.name, arguments: "key, message", size: size, two: mac,
			flow:       flowDeriveHMAC(h.name, h.new().BlockSize()),
			signatures: messages(kindSecret),
			help:       "the HMAC as a secret, for keys that are made of keys",
		})
	}
	return append(append(append(plain, keyed...), derived...), derivedKeyed...)
}
