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
	"slices"
	"strconv"
	"strings"
	"time"
)

// signature is one way to call a function.
type signature struct {
	takes []kind
	gives kind
}

// arguments are their kinds in words: "(secret, string)".
func (s signature) arguments() string { return "(" + strings.Join(kindNames(s.takes), ", ") + ")" }

// flow returns what is known of a function's result, given what is known of its arguments, or panics with why they are
// refused. The caller fills in the kind.
type flow func(c *checker, at call, args []operand) facts

// function is a function or a method of the language. A method's first argument is what stands before the dot.
type function struct {
	name   string
	method bool
	// arguments are their names, for the reference: "key, message".
	arguments  string
	signatures []signature
	help       string
	flow       flow
	// compute makes the result of the values of the arguments. It is nil for now.format, whose argument is a layout.
	compute func(args []evaluate) evaluate
	// unit is the fraction of a second in which an instant is written; 0 for whole seconds.
	unit time.Duration
	// uses is a predeclared name that the result depends on, beside the arguments; "" for none.
	uses string
}

// usage is how a function is written: hex(x), s.contains(x), now.unix().
func (f *function) usage() string {
	receiver := ""
	switch {
	case f.method && f.signatures[0].takes[0] == kindTimestamp:
		receiver = "now."
	case f.method:
		receiver = "s."
	}
	return receiver + f.name + "(" + f.arguments + ")"
}

// functionList is the language's functions, in the order of the reference: the table in docs/schemes.md is made of
// them.
var functionList = slices.Concat(textFunctions(), conditions(), instants(), digests(), withKeyPairs())

// functions are the language's, by name.
var functions = func() map[string]*function {
	byName := map[string]*function{}
	for i := range functionList {
		byName[functionList[i].name] = &functionList[i]
	}
	return byName
}()

func functionNames(method bool) string {
	var names []string
	for _, f := range functionList {
		if f.method == method {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}

func one(takes, gives kind) signature     { return signature{[]kind{takes}, gives} }
func two(a, b kind, gives kind) signature { return signature{[]kind{a, b}, gives} }

func ofOne(f func(string) string) func([]evaluate) evaluate {
	return func(args []evaluate) evaluate {
		a := args[0]
		return func(e *environment) string { return f(a(e)) }
	}
}

func ofTwo(f func(a, b string) string) func([]evaluate) evaluate {
	return func(args []evaluate) evaluate {
		a, b := args[0], args[1]
		return func(e *environment) string { return f(a(e), b(e)) }
	}
}

func choose(args []evaluate) evaluate {
	is, a, b := args[0], args[1], args[2]
	return func(e *environment) string {
		if is(e) != "" {
			return a(e)
		}
		return b(e)
	}
}

func textFunctions() []function {
	public := []signature{one(kindString, kindString)}
	textual := []signature{one(kindString, kindString), one(kindSecret, kindSecret)}
	hexadecimal := []signature{one(kindBytes, kindString), one(kindSecret, kindSecret)}
	base := []signature{one(kindBytes, kindString), one(kindString, kindString), one(kindSecret, kindSecret)}
	twofold := flowEncode(func(n int) int { return 2 * n })
	threefold := flowEncode(func(n int) int { return 3 * n })
	fourThirds := flowEncode(func(n int) int { return 4 * ((n + 2) / 3) })
	list := []struct {
		name       string
		signatures []signature
		flow       flow
		compute    func(string) string
		help       string
	}{
		{
			"bytes",
			[]signature{one(kindString, kindBytes)},
			flowKeep, func(x string) string { return x },
			"the bytes of a string",
		},
		{
			"hex", hexadecimal, twofold, func(x string) string { return hex.EncodeToString([]byte(x)) },
			"lower-case hex digits",
		},
		{
			"base64", base, fourThirds, func(x string) string { return base64.StdEncoding.EncodeToString([]byte(x)) },
			"base64 with padding (RFC 4648, section 4)",
		},
		{
			"base64url", base, fourThirds, func(x string) string { return base64.RawURLEncoding.EncodeToString([]byte(x)) },
			"base64url without padding (RFC 4648, section 5)",
		},
		{
			"percent_encode", textual, threefold, percentEncode,
			"every byte outside `A-Za-z0-9-._~` as `%` and two upper-case hex digits",
		},
		{
			"percent_encode_path", public, threefold, percentEncodePath,
			"`percent_encode` of each segment of a path: `/` stays, and what is encoded already is encoded again",
		},
		{
			"json", textual, flowJSON, jsonString,
			"a JSON string with its quotes; of secrets, only those that are text, or are joined of such and strings",
		},
		{"lower", public, flowKeep, lowerASCII, "ASCII letters in lower case"},
		{"upper", public, flowKeep, upperASCII, "ASCII letters in upper case"},
		{"trim", public, flowShorten, trim, "without space, tab, CR and LF at both ends"},
		{"path", public, flowCut, pathOf, "what is before the first `?`; all of a text without one"},
		{"query", public, flowCut, queryOf, "what is after the first `?`; empty without one"},
		{
			"sorted_query", public, flowSort, sortedQuery,
			"the parameters of a query, decoded (`+` is a space), percent-encoded, then sorted by name and value; duplicates " +
				"stay, `=` is always written; not of what a secret flows into",
		},
	}
	functions := []function{{
		name:       "choose",
		arguments:  "condition, a, b",
		signatures: []signature{{[]kind{kindBool, kindString, kindString}, kindString}},
		help:       "a if the condition holds, else b",
		flow:       flowChoose,
		compute:    choose,
	}}
	for _, f := range list {
		functions = append(functions, function{
			name:       f.name,
			arguments:  "x",
			signatures: f.signatures,
			help:       f.help,
			flow:       f.flow,
			compute:    ofOne(f.compute),
		})
	}
	return functions
}

func conditions() []function {
	condition := func(name, help string, holds func(s, x string) bool) function {
		return function{
			name:       name,
			method:     true,
			arguments:  "x",
			signatures: []signature{two(kindString, kindString, kindBool)},
			help:       help,
			flow:       flowCompare,
			compute:    ofTwo(func(s, x string) string { return truth(holds(s, x)) }),
		}
	}
	return []function{
		condition("startsWith", "whether the string begins with x", strings.HasPrefix),
		condition("endsWith", "whether the string ends with x", strings.HasSuffix),
		condition("contains", "whether x is in the string", strings.Contains),
	}
}

// instants are the methods of now.
func instants() []function {
	layout := func(text string) func(time.Time) string { return func(at time.Time) string { return at.Format(text) } }
	var methods []function
	for _, written := range []struct {
		name  string
		write func(utc time.Time) string
		size  int
		unit  time.Duration
		help  string
	}{
		{"rfc3339", layout("2006-01-02T15:04:05Z"), 20, 0, "`2026-01-02T03:04:05Z`"},
		{"rfc3339_ms", layout("2006-01-02T15:04:05.000Z"), 24, time.Millisecond, "`2026-01-02T03:04:05.678Z`"},
		// RFC 9110, section 5.6.7
		{"http_date", layout("Mon, 02 Jan 2006 15:04:05 GMT"), 29, 0, "`Fri, 02 Jan 2026 03:04:05 GMT`"},
		{"unix", func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }, 20, 0, "`1767323045`"},
		{
			"unix_ms", func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }, 20, time.Millisecond,
			"`1767323045678`",
		},
	} {
		methods = append(methods, function{
			name:       written.name,
			method:     true,
			signatures: []signature{one(kindTimestamp, kindString)},
			help:       written.help,
			flow:       flowFresh(written.size),
			compute: func([]evaluate) evaluate {
				return func(e *environment) string { return written.write(e.now.UTC()) }
			},
			unit: written.unit,
		})
	}
	return append(methods, function{
		name:       "format",
		method:     true,
		arguments:  "layout",
		signatures: []signature{two(kindTimestamp, kindString, kindString)},
		help:       "by a layout, which is one string literal: " + directiveHelp() + "; in UTC, fractions are cut off",
		flow:       flowFresh(0),
	})
}

func directiveHelp() string {
	var words []string
	for _, directive := range directives {
		words = append(words, "`%"+directive.name+"` "+directive.help)
	}
	return strings.Join(append(words, "`%%` a percent sign"), ", ")
}

// digests are the ways out for a secret, and what derives keys.
func digests() []function {
	keyed := func(gives kind) []signature {
		return []signature{
			two(kindSecret, kindString, gives), two(kindSecret, kindBytes, gives), two(kindSecret, kindSecret, gives),
		}
	}
	var list []function
	for _, way := range []struct {
		prefix, arguments string
		signatures        []signature
		help              string
		flow              func(h hashing, c *checker, at call, args []operand) facts
		compute           func(hashing) func([]evaluate) evaluate
	}{
		{
			"", "x",
			[]signature{one(kindString, kindBytes), one(kindBytes, kindBytes), one(kindSecret, kindBytes)},
			"the digest; a secret's way out", hashing.flowDigest, hashing.sum,
		},
		{
			"hmac_", "key, message", keyed(kindBytes),
			"the HMAC (RFC 2104); a secret's way out", hashing.flowHMAC, hashing.mac,
		},
		{
			"derive_", "x",
			[]signature{one(kindSecret, kindSecret)},
			"the digest as a secret, for keys that are made of keys", hashing.flowDerive, hashing.sum,
		},
		{
			"derive_hmac_", "key, message", keyed(kindSecret),
			"the HMAC as a secret, for keys that are made of keys", hashing.flowDeriveHMAC, hashing.mac,
		},
	} {
		for _, h := range hashes {
			list = append(list, function{
				name:       way.prefix + h.name,
				arguments:  way.arguments,
				signatures: way.signatures,
				help:       way.help,
				flow: func(c *checker, at call, args []operand) facts {
					return way.flow(h, c, at, args)
				},
				compute: way.compute(h),
			})
		}
	}
	return list
}

// hashing is a hash function.
type hashing struct {
	name string
	new  func() hash.Hash
	// extendable says that who knows a digest, and the length of what was hashed, can compute that of a longer text.
	extendable bool
}

var hashes = []hashing{
	{"md5", md5.New, true},
	{"sha1", sha1.New, true},
	{"sha256", sha256.New, true},
	{"sha384", sha512.New384, false},
	{"sha512", sha512.New, true},
}

func (h hashing) sum() func([]evaluate) evaluate {
	return ofOne(func(x string) string {
		digest := h.new()
		digest.Write([]byte(x))
		return string(digest.Sum(nil))
	})
}

func (h hashing) mac() func([]evaluate) evaluate {
	return ofTwo(func(key, message string) string {
		digest := hmac.New(h.new, []byte(key))
		digest.Write([]byte(message))
		return string(digest.Sum(nil))
	})
}
