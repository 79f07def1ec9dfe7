package scheme

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// The search for schemes that give a key away: random schemes about keys, callers who send what keys are derived with,
// and secrets that are shorter and longer than a block. No header may contain a secret, a derived key, or a key as HMAC
// uses it.

// keyWatch remembers the keys of one signing.
type keyWatch struct{ keys []string }

// minWatched is the length from which on a key cannot be in a header by chance.
const minWatched = 12

func (w *keyWatch) add(key string) {
	if len(key) >= minWatched {
		w.keys = append(w.keys, key)
	}
}

// watched are the language's functions, which tell the watch every derived key and every key of an HMAC: as it is and,
// if it has more than a block, its hash. (HMAC pads a shorter one with zeros. What contains the padded key contains the
// key.)
func watched(w *keyWatch) map[string]*function {
	table := maps.Clone(functions)
	for name, f := range functions {
		h, isHMAC := strings.CutPrefix(strings.TrimPrefix(name, "derive_"), "hmac_")
		derives := strings.HasPrefix(name, "derive_")
		if !derives && !isHMAC {
			continue
		}
		sum, block := functions[h], 64
		if h == "sha384" || h == "sha512" {
			block = 128
		}
		watching := *f
		watching.compute = func(args []evaluate) evaluate {
			compute := f.compute(args)
			return func(e *environment) string {
				if key := args[0](e); isHMAC {
					w.add(key)
					if len(key) > block {
						w.add(computed(sum, key))
					}
				}
				result := compute(e)
				if derives {
					w.add(result)
				}
				return result
			}
		}
		table[name] = &watching
	}
	return table
}

// isIn reports whether a text has a key in it: as it is, in hex, or in base64 at any alignment.
func isKeyIn(text, key string) bool {
	if strings.Contains(text, key) || strings.Contains(strings.ToLower(text), hex.EncodeToString([]byte(key))) {
		return true
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(text)
	for before := range 3 {
		// Whole groups of three bytes: what stands around the key cannot change them.
		inner := key[(3-before)%3:]
		if strings.Contains(standard, base64.StdEncoding.EncodeToString([]byte(inner[:len(inner)/3*3]))) {
			return true
		}
	}
	return false
}

// keyGenerator makes random schemes about keys. Their parts come from few, so that the same ones meet.
type keyGenerator struct {
	*rand.Rand
	// hash is the one that most digests of the scheme use.
	hash string
	// longer is what makes keys longer than a block.
	longer string
	// deriving are the secrets that keys are derived from, and hashing those that public digests use.
	deriving, hashing []string
}

// searchMessages are what keys are derived with, and what callers send.
var searchMessages = []string{
	`"a"`, `"aws4_request"`, `now.format("%Y-%m-%d")`, `now.format("%Y%m%d")`, `now.unix()`, `field`, `base_url`,
}

func (g *keyGenerator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *keyGenerator) digest() string {
	if g.IntN(5) > 0 {
		return g.hash
	}
	return g.pick("md5", "sha1", "sha256", "sha384", "sha512")
}

// message is what is hashed together with a key.
func (g *keyGenerator) message() string {
	if g.IntN(16) == 0 {
		return "hex(hmac_" + g.digest() + "(" + g.key() + ", m))"
	}
	switch g.IntN(6) {
	case 0, 1:
		return g.pick("m", "n", "bytes(m)", "m + n", `m + "." + n`)
	case 2:
		return g.pick("uuid", "nonce", `now.unix() + "." + m`, "hex(sha256(m))", "m + uuid")
	default:
		return g.pick(searchMessages...)
	}
}

// material is a secret as a key is made of it: alone, joined or encoded.
func (g *keyGenerator) material(secrets []string) string {
	name := g.pick(secrets...)
	switch g.IntN(8) {
	case 0:
		return name + ` + "` + g.longer + `"`
	case 1:
		return name + " + field"
	case 2:
		return g.pick("hex(", "base64(", "base64url(", "percent_encode(") + name + ")"
	case 3:
		return name + " + " + g.pick(secrets...)
	case 4:
		return "long_" + name
	default:
		return name
	}
}

// derived is a key that is made of keys.
func (g *keyGenerator) derived(depth int) string {
	from := g.material(g.deriving)
	if depth > 0 && g.IntN(2) == 0 {
		from = g.derived(depth - 1)
		switch g.IntN(6) {
		case 0:
			from = "hex(" + from + ")"
		case 1:
			from += ` + "` + g.longer + `"`
		case 2:
			from += " + " + g.material(g.deriving)
		}
	}
	switch g.IntN(5) {
	case 0, 1:
		return "derive_" + g.digest() + "(" + from + ")"
	case 2:
		return "derive_" + g.digest() + "(" + from + " + " + g.pick("m", "field", `"a"`) + ")"
	default:
		messages := append(slices.Clone(searchMessages), "m", "uuid", g.material(g.deriving))
		return "derive_hmac_" + g.digest() + "(" + from + ", " + g.pick(messages...) + ")"
	}
}

// key is one of a public digest.
func (g *keyGenerator) key() string {
	if g.IntN(4) == 0 {
		return g.material(g.hashing)
	}
	return g.derived(2)
}

// output is the value of a header.
func (g *keyGenerator) output() string {
	encode := g.pick("hex", "hex", "base64", "base64url")
	if g.IntN(4) == 0 {
		return encode + "(" + g.digest() + "(" + g.key() + g.pick("", " + "+g.message(), " + uuid + m") + "))"
	}
	return encode + "(hmac_" + g.digest() + "(" + g.key() + ", " + g.message() + "))"
}

// document is a random scheme. Every secret is used in it.
func (g *keyGenerator) document() string {
	g.hash = g.pick("md5", "sha1", "sha256", "sha384", "sha512")
	g.longer = strings.Repeat("x", []int{1, 32, 64, 128}[g.IntN(4)])
	g.deriving, g.hashing = []string{"a"}, []string{"c"}
	if g.IntN(3) == 0 {
		g.deriving = append(g.deriving, "b")
	}
	if g.IntN(8) == 0 { // most often refused
		g.hashing = append(g.hashing, "a")
	}
	var headers, want strings.Builder
	for i := range 2 + g.IntN(3) {
		fmt.Fprintf(&headers, "  X-%d: %q\n", i, g.output())
		fmt.Fprintf(&want, "X-%d: x, ", i)
	}
	var declared, values []string
	lets := ""
	for _, name := range []string{"a", "b", "c"} {
		long := strings.Contains(headers.String(), "long_"+name)
		if long {
			lets += "  long_" + name + ": " + name + ` + "` + strings.Repeat("x", 128) + "\"\n"
		}
		if long || usesSecret(headers.String(), name) {
			encoding := map[string]string{"a": "{}", "b": "{encoding: base64}", "c": "{}"}[name]
			declared, values = append(declared, name+": "+encoding), append(values, name+": YQ==")
		}
	}
	if lets != "" {
		lets = "let:\n" + lets
	}
	return "secrets: {" + strings.Join(declared, ", ") + "}\nfields: {field: {}}\n" +
		"request: {m: {pattern: '(?s).*'}, n: {pattern: '(?s).*'}}\n" + lets + "headers:\n" + headers.String() +
		"ttl: 1m\nallow_static: true\nallow_extension: true\n" +
		"examples: [{secrets: {" + strings.Join(values, ", ") + "}, fields: {field: f}, request: {m: a, n: b}, " +
		"base_url: 'https://a.example', now: '2026-01-02T03:04:05Z', uuid: u, nonce: n, want: {" + want.String() + "}}]\n"
}

// usesSecret reports whether expressions have a name in them as a word of its own, outside strings.
func usesSecret(expressions, name string) bool {
	for _, before := range []string{"(", " "} {
		for _, after := range []string{")", " ", ","} {
			if strings.Contains(expressions, before+name+after) {
				return true
			}
		}
	}
	return false
}

// searched is what the search found out about one random scheme.
type searched struct {
	accepted bool
	// given is the document of a scheme that gives a key away; "" if it does not.
	given string
}

// searchKeys makes a random scheme and, if it is accepted, has callers send what could give a key away.
func searchKeys(seed uint64, table map[string]*function, watch *keyWatch) (searched, error) {
	g := &keyGenerator{Rand: rand.New(rand.NewPCG(seed, 1))}
	text := g.document()
	s, err := parse(text, table, &newerRules{})
	if err != nil {
		return searched{}, nil //nolint:nilerr // most are refused
	}
	octets := func(length int) string { // printable, as a text is
		made := make([]byte, length)
		for i := range made {
			made[i] = byte('!' + g.IntN('~'-'!'))
		}
		return string(made)
	}
	lengths := []int{16, 33, 64, 65, 128, 129, 200}
	secrets := map[string]string{}
	for _, name := range s.Secrets() {
		secrets[name] = octets(lengths[g.IntN(len(lengths))])
		if name == "b" && g.IntN(2) == 0 {
			secrets[name] += "\x00\x00"
		}
	}
	values := Values{
		Secrets: map[string]secret.Text{}, Fields: map[string]string{"field": g.pick("a", "aws4_request")},
		BaseURL: "https://a.example",
	}
	for name, value := range secrets {
		values.Secrets[name] = secret.Text(value)
		if name == "b" {
			values.Secrets[name] = secret.Text(base64.StdEncoding.EncodeToString([]byte(value)))
		}
	}
	signer, err := s.signer(values)
	if err != nil {
		return searched{}, err
	}
	moment := Moment{
		Now:   time.Unix(1767323045, 0),
		UUID:  "0b5d6ff5-5b9b-4f0a-9d3c-1a2b3c4d5e6f",
		Nonce: "0123456789abcdef0123456789abcdef",
	}
	// What a caller may know: what keys are derived with and, after the first call, what the headers had.
	known := []string{
		"a", "aws4_request", "2026-01-02", "20260102", "1767323045", values.BaseURL, moment.UUID, moment.Nonce, "",
	}
	for range 10 {
		watch.keys = watch.keys[:0]
		for _, value := range secrets {
			watch.add(value)
		}
		signed, err := signer.Sign(moment, map[string]string{"m": g.pick(known...), "n": g.pick(known...)})
		if err != nil {
			return searched{}, err
		}
		for _, header := range signed.Headers {
			if slices.ContainsFunc(watch.keys, func(key string) bool { return isKeyIn(header, key) }) {
				return searched{true, text}, nil
			}
			if len(known) < 16 {
				known = append(known, header)
				if digest, err := hex.DecodeString(header); err == nil {
					known = append(known, string(digest))
				}
			}
		}
	}
	return searched{accepted: true}, nil
}

// search goes through random schemes until some are accepted. It returns how many there were in all, and one that gives
// a key away, or "".
func search(t *testing.T, accepted int, change func(map[string]*function)) (all uint64, given string) {
	t.Helper()
	var lock sync.Mutex
	var group sync.WaitGroup
	var next uint64
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			watch := &keyWatch{}
			table := watched(watch)
			change(table)
			for {
				lock.Lock()
				seed, done := next, accepted <= 0 || given != ""
				next++
				lock.Unlock()
				if done {
					return
				}
				found, err := searchKeys(seed, table, watch)
				lock.Lock()
				if err != nil {
					t.Error(err)
					accepted = 0
				}
				if found.accepted {
					accepted--
				}
				if found.given != "" {
					given = found.given
				}
				lock.Unlock()
			}
		})
	}
	group.Wait()
	return next, given
}

// No accepted scheme gives a key away. KEY_SEARCH is how many the search accepts; make key-search sets it.
func TestNoSchemeGivesAKeyAway(t *testing.T) {
	t.Parallel()
	accepted := 1_000
	if text := os.Getenv("KEY_SEARCH"); text != "" {
		var err error
		accepted, err = strconv.Atoi(text)
		require.NoError(t, err, "KEY_SEARCH")
	}
	all, given := search(t, accepted, func(map[string]*function) {})
	require.Empty(t, given, "gives a key away")
	t.Logf("%d of %d random schemes were accepted", accepted, all)
	require.Less(t, all, uint64(20*accepted), "too few of the random schemes are accepted to show anything")
}

// The search finds each hole that a rule closes, when the rule is left out.
func TestKeySearchFindsHoles(t *testing.T) {
	t.Parallel()
	// after has a function forget what its flow has noted.
	after := func(name string, forget func(*keys)) func(map[string]*function) {
		return func(table map[string]*function) {
			for _, h := range []string{"md5", "sha1", "sha256", "sha384", "sha512"} {
				hole := *table[name+h]
				flow := hole.flow
				hole.flow = func(c *checker, at call, args []operand) facts {
					known := flow(c, at, args)
					forget(&c.keys)
					return known
				}
				table[name+h] = &hole
			}
		}
	}
	for name, hole := range map[string]func(map[string]*function){
		"a long key that derives, and its hash": after("derive_hmac_", func(k *keys) { k.derivingKeys = nil }),
		"a long key, and its hash": after("", func(k *keys) {
			maps.DeleteFunc(k.uses, func(use string, _ []int) bool { return !strings.HasPrefix(use, "hmac_") })
		}),
		"a key that derives, hashed in public": after("hmac_", func(k *keys) { clear(k.intoHash) }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, given := search(t, 40_000, hole)
			require.NotEmpty(t, given)
			t.Logf("found after %d random schemes:\n%s", all, given)
		})
	}
}

// The search knows a key in a header, however it is encoded.
func TestKeySearchReadsEncodings(t *testing.T) {
	t.Parallel()
	key := "\xfb\xff\xfe" + "0123456789abcdef" // - and _ in base64url
	require.False(t, isKeyIn(strings.Repeat("0123456789abcde.", 8), key))
	for before := range 4 {
		for after := range 4 {
			text := append(append(bytes.Repeat([]byte{0xf1}, before), key...), bytes.Repeat([]byte{0xf2}, after)...)
			for _, header := range []string{
				string(text), hex.EncodeToString(text), strings.ToUpper(hex.EncodeToString(text)),
				base64.StdEncoding.EncodeToString(text),
				base64.RawURLEncoding.EncodeToString(text),
			} {
				require.True(t, isKeyIn(header, key), "%q", header)
			}
		}
	}
}
