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
	// compute makes the result of the values of the arguments.
	compute func(args []evaluate) evaluate
	// build is compute for a function of a timestamp or of literals, neither of which has a value. nil for others.
	build func(args []operand) evaluate
	// literals are what the arguments from the second on must be as literals, for errors; nil for a function of values.
	literals string
	// unit is the fraction of a second in which an instant is written; 0 for whole seconds.
	unit time.Duration
	// uses is a predeclared name that the result depends on, beside the arguments; "" for none.
	uses string
	// message is which argument an example that fails shows, counted from 1; 0 for none.
	message int
}

// usage is how a function is written: hex(x), s.contains(x), now.unix().
func (f *function) usage() string {
	receiver := ""
	switch {
	case f.of(kindTimestamp):
		receiver = "now."
	case f.method:
		receiver = "s."
	}
	return receiver + f.name + "(" + f.arguments + ")"
}

// of reports whether the function is a method of a kind of values.
func (f *function) of(k kind) bool { return f.method && f.signatures[0].takes[0] == k }

// functionList is the language's functions, in the order of the reference: the table in docs/schemes.md is made of
// them.
var functionList = slices.Concat(
	textFunctions(), queryFunctions(), conditions(), instants(), digests(), withKeyPairs(),
)

// functions are the language's, by name.
var functions = func() map[string]*function {
	byName := map[string]*function{}
	for i := range functionList {
		byName[functionList[i].name] = &functionList[i]
	}
	return byName
}()

// functionNames are those of the functions that a condition holds for.
func functionNames(wanted func(f *function) bool) string {
	var names []string
	for i := range functionList {
		if wanted(&functionList[i]) {
			names = append(names, functionList[i].name)
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
	publicBytes := []signature{one(kindString, kindBytes)}
	textual := []signature{one(kindString, kindString), one(kindSecret, kindSecret)}
	noSecret := "; not of what a secret flows into"
	hexadecimal := []signature{one(kindBytes, kindString), one(kindSecret, kindSecret)}
	base := []signature{one(kindBytes, kindString), one(kindString, kindString), one(kindSecret, kindSecret)}
	twofold := flowUnreserved(func(n int) int { return 2 * n })
	threefold := flowPercent(func(n int) int { return 3 * n })
	base64Size := func(n int) int { return 4 * ((n + 2) / 3) }
	list := []struct {
		name       string
		signatures []signature
		flow       flow
		compute    func(string) string
		help       string
	}{
		{
			"bytes", publicBytes, flowKeep, func(x string) string { return x },
			"the bytes of a string",
		},
		{
			"hex", hexadecimal, twofold, func(x string) string { return hex.EncodeToString([]byte(x)) },
			"lower-case hex digits",
		},
		{
			"base64", base, flowEncode(base64Size), func(x string) string { return base64.StdEncoding.EncodeToString([]byte(x)) },
			"base64 with padding (RFC 4648, section 4)",
		},
		{
			"base64url", base, flowUnreserved(base64Size),
			func(x string) string { return base64.RawURLEncoding.EncodeToString([]byte(x)) },
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
			"a JSON string with its quotes; of secrets, only those that are text or encoded, or are joined of such and strings",
		},
		{"lower", public, flowKeep, lowerASCII, "ASCII letters in lower case"},
		{"upper", public, flowKeep, upperASCII, "ASCII letters in upper case"},
		{"trim", public, flowShorten, trim, "without space, tab, CR and LF at both ends"},
		{"path", public, flowCut, pathOf, "what is before the first `?`; all of a text without one"},
		{"query", public, flowCut, queryOf, "what is after the first `?`; empty without one"},
		{
			"sorted_query", public, flowSort, sortedQuery,
			"the parameters of a query, decoded (`+` is a space), percent-encoded, then sorted by name and value; duplicates " +
				"stay, `=` is always written" + noSecret,
		},
		{
			"decoded_query", public, flowDecode(func(n int, _ []string) int { return n }), decodedQuery,
			"the parameters of a query, decoded (`+` is a space), in their order; `=` only where there was one, empty pieces " +
				"are dropped" + noSecret,
		},
		{
			"unhex", publicBytes, flowBytes, unhex,
			"the bytes of hex digits of either case; empty if it is not hex" + noSecret,
		},
		{
			"unbase64", publicBytes, flowBytes, unbase64,
			"the bytes of base64 (RFC 4648, section 4, with padding); empty if it is not base64" + noSecret,
		},
		{
			"host_of", public, flowHost, hostOf,
			"the lower-case host of `base_url` or a field that is an address, with its port if it is not the default one",
		},
		{"length", public, flowLength, length, "how many bytes it has, in decimal digits" + noSecret},
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

// queryFunctions take a string, and literals that say what to make of it.
func queryFunctions() []function {
	return []function{
		{
			name:       "sorted_pairs",
			arguments:  "x, a, b",
			signatures: []signature{{[]kind{kindString, kindString, kindString}, kindString}},
			help: "the parameters of a query, decoded (`+` is a space), sorted by name and value, each as its name, a and its " +
				"value, joined by b; a is always written; a and b are string literals of at most 16 bytes; not of what a secret " +
				"flows into",
			literals: "a string literal",
			flow: flowDecode(func(n int, texts []string) int {
				return (n + 1) * (1 + len(texts[0]) + len(texts[1]))
			}),
			build: func(args []operand) evaluate {
				query, a, b := args[0].value, literalText(args[1].node), literalText(args[2].node)
				return func(e *environment) string { return sortedPairs(query(e), a, b) }
			},
		},
		{
			name:       "segment",
			arguments:  "x, n",
			signatures: []signature{two(kindString, kindString, kindString)},
			help: "a segment of a path, not decoded, and empty if there is none; n is a string literal from `\"1\"`, the one " +
				"after the leading slash, to `\"16\"`; not of what a secret flows into",
			literals: "a number in quotes, from \"1\" to \"16\"",
			flow:     flowSegment,
			build: func(args []operand) evaluate {
				path, n := args[0].value, segmentNumber(literalText(args[1].node))
				return func(e *environment) string { return segmentOf(path(e), n) }
			},
		},
	}
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

// instants are the methods of timestamps.
func instants() []function {
	written := func(text string) func(time.Time) string { return func(at time.Time) string { return at.Format(text) } }
	var methods []function
	for _, method := range []struct {
		name  string
		write func(utc time.Time) string
		size  int
		unit  time.Duration
		help  string
	}{
		{"rfc3339", written("2006-01-02T15:04:05Z"), 20, 0, "`2026-01-02T03:04:05Z`"},
		{"rfc3339_ms", written("2006-01-02T15:04:05.000Z"), 24, time.Millisecond, "`2026-01-02T03:04:05.678Z`"},
		// RFC 9110, section 5.6.7
		{"http_date", written("Mon, 02 Jan 2006 15:04:05 GMT"), 29, 0, "`Fri, 02 Jan 2026 03:04:05 GMT`"},
		{"unix", func(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }, 20, 0, "`1767323045`"},
		{
			"unix_ms", func(at time.Time) string { return strconv.FormatInt(at.UnixMilli(), 10) }, 20, time.Millisecond,
			"`1767323045678`",
		},
	} {
		methods = append(methods, function{
			name:       method.name,
			method:     true,
			signatures: []signature{one(kindTimestamp, kindString)},
			help:       method.help,
			flow:       flowFresh(method.size),
			build: func(args []operand) evaluate {
				offset := args[0].offset
				return func(e *environment) string { return method.write(e.now.Add(offset).UTC()) }
			},
			unit: method.unit,
		})
	}
	methods = append(methods, function{
		name:       "format",
		method:     true,
		arguments:  "layout",
		signatures: []signature{two(kindTimestamp, kindString, kindString)},
		help: "by a layout, which is one string literal: " + directiveHelp() + "; in UTC, whose name is written " +
			"as text (`%H:%M GMT`), fractions are cut off",
		flow: flowFormat,
		build: func(args []operand) evaluate {
			offset, text := args[0].offset, layout{text: literalText(args[1].node)}
			return func(e *environment) string { return text.format(e.now.Add(offset)) }
		},
	})
	for _, shift := range []struct {
		name, help string
		earlier    bool
	}{
		{"plus", "a later timestamp, such as `now.plus(\"9m\").unix()`", false},
		{"minus", "an earlier timestamp, such as `now.minus(\"60s\").unix()`", true},
	} {
		methods = append(methods, function{
			name:       shift.name,
			method:     true,
			arguments:  "duration",
			signatures: []signature{two(kindTimestamp, kindString, kindTimestamp)},
			help:       shift.help + "; the duration is one string literal, in whole seconds; at most 24h from `now`",
			literals:   "a string literal",
			flow:       flowShift(shift.earlier),
			build:      func([]operand) evaluate { return nil }, // a timestamp is now and its offset
		})
	}
	return methods
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
		message           int
		signatures        []signature
		help              string
		flow              func(h hashing, c *checker, at call, args []operand) facts
		compute           func(hashing) func([]evaluate) evaluate
	}{
		{
			"", "x", 1,
			[]signature{one(kindString, kindBytes), one(kindBytes, kindBytes), one(kindSecret, kindBytes)},
			"the digest; a secret's way out", hashing.flowDigest, hashing.sum,
		},
		{
			"hmac_", "key, message", 2, keyed(kindBytes),
			"the HMAC (RFC 2104); a secret's way out", hashing.flowHMAC, hashing.mac,
		},
		{
			"derive_", "x", 0,
			[]signature{one(kindSecret, kindSecret)},
			"the digest as a secret, for keys that are made of keys", hashing.flowDerive, hashing.sum,
		},
		{
			"derive_hmac_", "key, message", 0, keyed(kindSecret),
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
				message: way.message,
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
