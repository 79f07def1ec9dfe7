package scheme

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

// blinded are the language's functions with each digest replaced by a constant of its size. What still depends on a
// secret then got out by another way than a digest.
func blinded() map[string]*function {
	blind := map[string]*function{}
	for name, f := range functions {
		replaced := *f
		size := map[string]int{"public_key": maxPublicKey}[name]
		for _, s := range signings {
			if s.name == name {
				size = s.size
			}
		}
		if size > 0 {
			constant := strings.Repeat("s", size)
			replaced.compute = func([]evaluate) evaluate { return func(*environment) string { return constant } }
		} else if strings.Contains(name, "md5") || strings.Contains(name, "sha") {
			digest := strings.Repeat("d", len(computed(f, "", "")))
			replaced.compute = func([]evaluate) evaluate { return func(*environment) string { return digest } }
		}
		blind[name] = &replaced
	}
	return blind
}

// computed is what a function gives for some values.
func computed(f *function, values ...string) string {
	args := make([]evaluate, len(values))
	for i, value := range values {
		args[i] = func(*environment) string { return value }
	}
	return f.compute(args)(nil)
}

// generator makes random documents. Most of its expressions have the kind that their place wants, so that many are
// accepted; some do not.
type generator struct {
	*rand.Rand
	functions map[string]*function
	names     map[kind][]string
	// logsIn says that the document has a login.
	logsIn bool
}

func newGenerator(seed uint64, functions map[string]*function) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), functions: functions, names: map[kind][]string{
		kindString:     {"field", "method", "content", "uuid", "nonce", "base_url"},
		kindSecret:     {"text", "raw"},
		kindTimestamp:  {"now"},
		kindPrivateKey: {"p256", "ed"},
	}}
	g.logsIn = g.IntN(2) == 0
	for name, share := range map[string]int{"p384": 4, "rsa": 16} { // to read these takes long
		if seed%uint64(share) == 0 {
			g.names[kindPrivateKey] = append(g.names[kindPrivateKey], name)
		}
	}
	slices.Sort(g.names[kindPrivateKey])
	return g
}

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

// pairSets are private keys of each kind, so that a result can be compared for two of each.
var pairSets = func() [2]map[string]secret.Text {
	var sets [2]map[string]secret.Text
	for i := range sets {
		sets[i] = map[string]secret.Text{}
		for name, file := range map[string][2]string{
			"p256": {"p256.pem", "p256-sec1-other.pem"}, "p384": {"p384.pem", "p384-other.pem"},
			"ed": {"ed25519.pem", "ed25519-other.pem"}, "rsa": {"rsa.pem", "rsa-4096.pem"},
		} {
			text, err := os.ReadFile("testdata/keys/" + file[i])
			if err != nil {
				panic(err)
			}
			sets[i][name] = secret.Text(text)
		}
	}
	return sets
}()

// pairKinds are the kinds of the key pairs, by their names.
var pairKinds = map[string]keyKind{"p256": keyP256, "p384": keyP384, "ed": keyEd25519, "rsa": keyRSA}

// ofEach writes something about each of a document's key pairs.
func ofEach(names []string, separator string, write func(name string) string) string {
	var written []string
	for _, name := range names {
		written = append(written, write(name))
	}
	return strings.Join(written, separator)
}

// expression is a random one of a kind; depth limits it.
func (g *generator) expression(k kind, depth int) string {
	if g.IntN(40) == 0 {
		k = kind(g.IntN(6)) // a wrong one
	}
	if depth == 0 || g.IntN(4) == 0 {
		return g.leaf(k)
	}
	var ways []func() string
	for _, f := range functionList {
		f := g.functions[f.name]
		for _, s := range f.signatures {
			if s.gives == k {
				ways = append(ways, func() string { return g.call(f, s, depth-1) })
			}
		}
	}
	for name, f := range g.functions { // those that a test added
		if functions[name] == nil && f.signatures[0].gives == k {
			ways = append(ways, func() string { return g.call(f, f.signatures[0], depth-1) })
		}
	}
	join := func(a, b kind) func() string {
		return func() string { return g.expression(a, depth-1) + " + " + g.expression(b, depth-1) }
	}
	for range 4 {
		switch k {
		case kindString, kindBytes:
			ways = append(ways, join(k, k))
		case kindSecret:
			ways = append(ways, join(k, kindString), join(kindString, k), join(k, k))
		case kindBool:
			ways = append(ways, func() string {
				return "(" + g.expression(kindString, depth-1) + g.pick(" == ", " != ") + g.expression(kindString, depth-1) + ")"
			}, func() string {
				return "(" + g.expression(k, depth-1) + g.pick(" && ", " || ") + g.expression(k, depth-1) + ")"
			}, func() string { return "!" + g.leaf(k) })
		case kindTimestamp, kindPrivateKey:
		}
	}
	if len(ways) == 0 {
		return g.leaf(k)
	}
	return ways[g.IntN(len(ways))]()
}

func (g *generator) leaf(k kind) string {
	if names := g.names[k]; len(names) > 0 && g.IntN(3) > 0 {
		return g.pick(names...)
	}
	switch k {
	case kindString:
		return g.pick(`""`, `"a"`, "`b?c=d&c`", `"?"`, `"\n"`, "now.unix()", "now.format(\"%d%H%M%S\")", "field", "method",
			"host_of(base_url)", "host_of(login)")
	case kindBytes:
		return g.pick(`bytes("a")`, "bytes(method)", "sha256(text + uuid)", "hmac_sha1(raw, content)")
	case kindSecret:
		return g.pick("text", "raw", "(text)", "derive_sha256(seed)")
	case kindBool:
		return g.pick(`(method == "GET")`, `method.startsWith("G")`, `("a" == field)`)
	default:
		return "now"
	}
}

// pairOf is the name of a key pair that a function takes; "" for any or none.
func pairOf(f *function) string {
	for _, s := range signings {
		for name, kind := range pairKinds {
			if s.name == f.name && s.key == kind {
				return name
			}
		}
	}
	return ""
}

// literalSamples are literals for the arguments of functions that take some.
var literalSamples = map[string][]string{
	"format":       {`"%Y%m%dT%H%M%SZ"`, `"%Y"`, `"%b"`, `"%3f"`},
	"plus":         {`"1s"`, `"9m"`, `"24h"`},
	"minus":        {`"1s"`, `"60s"`, `"24h"`},
	"segment":      {`"1"`, `"2"`, `"16"`},
	"sorted_pairs": {`""`, `"="`, `"&"`, `"\n0123456789abcde"`},
}

func (g *generator) call(f *function, s signature, depth int) string {
	var args []string
	for i, k := range s.takes {
		if pair := pairOf(f); k == kindPrivateKey && pair != "" && g.IntN(8) > 0 {
			args = append(args, g.pick(pair, pair, "("+pair+")"))
			continue
		}
		if f.build != nil && i > 0 {
			args = append(args, g.pick(literalSamples[f.name]...))
			continue
		}
		args = append(args, g.expression(k, depth))
	}
	if f.method {
		return args[0] + "." + f.name + "(" + strings.Join(args[1:], ", ") + ")"
	}
	return f.name + "(" + strings.Join(args, ", ") + ")"
}

// document is a random scheme of valid YAML. Its secrets are used, and its example has what it needs.
func (g *generator) document() string {
	var lets, outputs, values, want, conditions strings.Builder
	names := maps.Clone(g.names)
	defer func() { g.names = names }()
	g.names = maps.Clone(names)
	login, wantsLogin := g.login()
	given := ""
	if g.logsIn {
		given = "  X-Given: token + sid\n"
	}
	most, depth := 3, 5
	if g.logsIn { // so that many are accepted too
		most, depth = 1, 3
	}
	for i := range g.IntN(1 + most) {
		k := []kind{kindString, kindBytes, kindSecret, kindBool, kindPrivateKey}[g.IntN(5)]
		name := fmt.Sprintf("let%d", i)
		fmt.Fprintf(&lets, "  %s: %q\n", name, g.expression(k, 3))
		g.names[k] = append([]string{name}, g.names[k]...)
	}
	for i := range g.IntN(2) {
		fmt.Fprintf(&conditions, "  message %d: %q\n", i, g.expression(kindBool, 3))
	}
	for i := range 1 + g.IntN(most) {
		fmt.Fprintf(&outputs, "  X-%d: %q\n", i, g.expression(kindString, depth))
		fmt.Fprintf(&want, "X-%d: x, ", i)
	}
	for i := range g.IntN(2) {
		fmt.Fprintf(&values, "  v%d: %q\n", i, g.expression(kindString, depth))
		fmt.Fprintf(&want, "v%d: x, ", i)
	}
	body := ""
	switch g.IntN(4) {
	case 0:
		body = fmt.Sprintf("body: {content_type: %q, text: %q}\n", g.pick(`"a/b"`, "uuid", `"a; b=" + nonce`),
			g.expression(kindString, 4))
		want.WriteString("body: x, ")
	case 1:
		body = fmt.Sprintf("body: {form: {a: %q, b: %q}}\n", g.expression(kindString, 3), g.leaf(kindString))
		want.WriteString("body: x, ")
	}
	if body != "" {
		want.WriteString("Content-Type: x, ")
	}
	optional := func(section, content string) string {
		if content == "" {
			return ""
		}
		return section + ":\n" + content
	}
	of := names[kindPrivateKey]
	declared := ofEach(of, ", ", func(name string) string { return name + ": {key: " + string(pairKinds[name]) + "}" })
	made := ofEach(of, ", ", func(name string) string { return fmt.Sprintf("%s: %q", name, pairSets[0][name].Reveal()) })
	used := ofEach(of, " + ", func(name string) string { return "public_key(" + name + ")" })
	return "secrets: {text: {}, raw: {encoding: base64}, seed: {}, " + declared + "}\n" +
		"fields: {field: {}, login: {address: true, default: 'https://Login.example:443'}}\n" +
		"request: {method: {pattern: '[A-Z]{3,7}'}, content: {pattern: '(?s).*', optional: true, max: 64}}\n" + login +
		optional("let", lets.String()) + optional("require", conditions.String()) +
		optional("values", values.String()) + body + "headers:\n" + outputs.String() +
		"  X-Used: hex(hmac_sha256(text + raw, uuid)) + hex(hmac_sha256(derive_md5(seed), uuid))\n" +
		"  X-Keys: hex(" + used + ")\n" + given + "ttl: 1m\n" +
		g.pick("", "allow_static: true\n", "allow_extension: true\n") + g.pick("", "allow_shared_key: true\n") +
		"examples: [{secrets: {text: a, raw: YQ==, seed: b, " + made + "}, fields: {field: f}, " +
		"request: {method: GET}, base_url: 'https://a.example', now: '2026-01-02T03:04:05Z', uuid: u, nonce: n, " +
		wantsLogin + "want: {" + want.String() + "X-Used: x}}]\n"
}

// login is the login of a document, and that of its example. What it gives can then be used by name.
func (g *generator) login() (section, example string) {
	if !g.logsIn {
		return "", ""
	}
	names := g.names
	g.names = maps.Clone(names)
	g.names[kindString] = []string{"field", "uuid", "nonce", "base_url"}
	own := strings.NewReplacer("method", "field", "content", "field") // what callers give is refused
	either := func() string {
		switch g.IntN(8) {
		case 0:
			return g.expression(kindSecret, 2)
		case 1, 2:
			return own.Replace(g.expression(kindString, 2))
		default:
			encode := g.pick("hex", "base64", "base64url", "percent_encode", "base64")
			return encode + "(" + g.pick("text", "raw", "text + field", "field + raw", "percent_encode(text)", "raw + text",
				"json(text)", "derive_sha256(seed)", "derive_hmac_sha1(seed, field)", "base64(raw)") + ")"
		}
	}
	wants := "path: x, "
	section = "login:\n  path: '\"/login\"'\n"
	if g.IntN(2) == 0 {
		section += fmt.Sprintf("  query: {q: %q}\n", either())
		wants += "query: x, "
	}
	section += fmt.Sprintf("  headers: {X-L: %q, X-M: %q}\n", either(), either())
	switch g.IntN(3) {
	case 0:
		section += fmt.Sprintf("  form: {a: %q, b: %q}\n", either(), either())
		wants += "form: x, "
	case 1:
		section += fmt.Sprintf("  json: {a: %q, b: %q}\n", either(), either())
		wants += "json: x, "
	case 2:
		section += fmt.Sprintf("  body: %q\n  content_type: '\"a/b\"'\n", either())
		wants += "body: x, "
	}
	section += "  answer: {token: {pointer: /token}, sid: {header: X-Sid}}\n  ttl: 1h\n  life: " +
		g.pick("{pointer: /life}", "[{jwt: sid}, {pointer: /until, as: unix}, {pointer: /life}]") + "\n"
	g.names = names
	g.names[kindString] = append(slices.Clone(names[kindString]), "sid")
	return section, "login: {want: {" + wants + "headers: {X-L: x, X-M: x}}, answer: x, gives: {token: t, sid: s}}, "
}

// readsLogin is LoginCall.Read, or one with a hole.
type readsLogin func(LoginCall, LoginAnswer) (Gives, error)

// longSecrets are those that a vendor could give back. A shorter one is found only if it is the whole value.
var longSecrets = []map[string]secret.Text{
	{"text": "aaaaaaaa", "raw": "YWFhYWFhYWE=", "seed": "aaaaaaaa"},
	{"text": "a?b&c d=e%~~>>??~~", "raw": "/////////////w==", "seed": "abcdefgh"},
	{"text": "\"GET GET\"/\\GET", "raw": "AAECAwQFBgcICQ==", "seed": "GETGETGET"},
	// These could be a life, in seconds and as an instant.
	{"text": "00012345", "raw": "MTc2NzMyMzEwNQ==", "seed": "00012345"},
	{"text": "00023456", "raw": "MTc2NzMyNDEwNQ==", "seed": "00023456"},
}

// unusable are the errors of answers that cannot be used. They quote nothing, but which one it is depends on what the
// vendor makes of a secret.
var unusable = func() []string {
	texts := []string{
		errGivesBack.Error(),
		"login.answer.sid: must be printable ASCII in the answer, without a space at either end",
	}
	for _, place := range []string{"login.life", "login.life[0]", "login.life[1]"} {
		texts = append(texts, wrongAnswer(place, errLife.Error()).Error(), wrongAnswer(place, errOver.Error()).Error())
	}
	return texts
}()

// echo is a text that a vendor can make of a login: a part of it, as it is or decoded.
func echo(g *generator, call LoginCall) string {
	_, query, _ := strings.Cut(call.URL, "?")
	parts := []string{query, string(call.Body), call.Header.Get("X-L"), call.Header.Get("X-M")}
	for _, pairs := range parts[:2] {
		values, _ := url.ParseQuery(pairs) // what it can read: how many parts there are must not depend on a secret
		parts = append(parts, values.Get("a"), values.Get("b"), values.Get("q"))
	}
	var members map[string]string
	_ = json.Unmarshal(call.Body, &members)
	parts = append(parts, members["a"], members["b"])
	return parts[g.IntN(len(parts))]
}

// spelled is a text with others around it, in one of some spellings.
func spelled(g *generator, text string) string {
	around := strings.Repeat("x", g.IntN(3)) + text + strings.Repeat("y", g.IntN(3))
	switch g.IntN(8) {
	case 0:
		return hex.EncodeToString([]byte(around))
	case 1:
		return strings.ToUpper(hex.EncodeToString([]byte(around)))
	case 2:
		return base64.StdEncoding.EncodeToString([]byte(around))
	case 3:
		return base64.RawURLEncoding.EncodeToString([]byte(around))
	case 4:
		return url.QueryEscape(around)
	case 5:
		if utf8.ValidString(around) { // JSON has no other text
			return jsonString(around)
		}
	case 6: // a JWT
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp": "`+text+`"}`)) + ".a"
	}
	return around
}

// loggedIn is what the login of a scheme gives for secrets, from a vendor that either knows nothing of them or gives
// back what it got, as a value or as a life. All errors of unusable are one.
func loggedIn(signer *Signer, m Moment, g *generator, echoing bool, read readsLogin) (Gives, error) {
	call, err := signer.Login(m)
	if err != nil {
		return Gives{}, err
	}
	answer := LoginAnswer{Header: http.Header{"X-Sid": {"s"}}, Body: []byte(`{"token": "a token", "life": 60}`), At: m.Now}
	if echoing {
		given := echo(g, call)
		if g.IntN(2) == 0 {
			life := jsonString(cmp.Or(given, "60"))
			answer.Body = fmt.Appendf(nil, `{"token": "a token", "life": %s, "until": %s}`, life, life)
		} else {
			answer.Header = http.Header{"X-Sid": {cmp.Or(spelled(g, given), "s")}}
		}
	}
	gives, err := read(call, answer)
	if err != nil && slices.Contains(unusable, err.Error()) {
		err = errors.New("the answer cannot be used")
	}
	return gives, err
}

// blindedResults are what a scheme gives for secrets of many kinds, with digests that are constant. They must all be
// the same.
func blindedResults(t *testing.T, s *Scheme, g *generator, read readsLogin) map[string]bool {
	t.Helper()
	echoing := s.HasLogin() && g.IntN(2) == 0
	echoSeed := g.Uint64()
	field := g.pick("f", "GET", "longer-field")
	request := map[string]string{"method": g.pick("GET", "POST"), "content": g.pick("", "a", "a=b&a=%zz?", "\xff\n")}
	results := map[string]bool{}
	sets := []map[string]secret.Text{
		{"text": "a", "raw": "YQ==", "seed": "a"},
		{"text": "b", "raw": "YQ==", "seed": "a"},
		{"text": "a", "raw": "/////w==", "seed": "abc"},
		{"text": " ?=&\"ü GET", "raw": "AA==", "seed": "GET"},
		{"text": secret.Text(strings.Repeat("GET", 900)), "raw": "R0VU", "seed": "?"},
	}
	if echoing {
		sets = longSecrets
	}
	for i, secrets := range sets {
		secrets = maps.Clone(secrets)
		maps.Copy(secrets, pairSets[i%2])
		signer, err := s.signer(Values{
			Secrets: secrets,
			Fields:  map[string]string{"field": field},
			BaseURL: "https://a.example",
		})
		if s.HasLogin() && !sendable(secrets["text"].Reveal()) && err != nil {
			require.EqualError(t, err, "text "+errInHeader.Error())
			continue
		}
		require.NoError(t, err)
		moment := Moment{
			Now:   time.Unix(1767323045, 0),
			UUID:  strings.Repeat("u", maxUUID),
			Nonce: strings.Repeat("n", maxNonce),
		}
		life := ""
		if s.HasLogin() {
			gives, err := loggedIn(signer, moment, &generator{Rand: rand.New(rand.NewPCG(echoSeed, 0))}, echoing, read)
			if err != nil {
				results[err.Error()] = true
				continue
			}
			moment.Gives = gives.Values
			life = fmt.Sprint(gives.Life, gives.Assumed)
		}
		signed, err := signer.Sign(moment, request) // the values are in X-Given
		results[fmt.Sprint(signed, err, life)] = true
	}
	return results
}

// checkInterference generates a document and signs with it, if it is accepted. It reports whether it was, and whether
// the result depended on a secret.
func checkInterference(
	t *testing.T, seed uint64, functions map[string]*function, read readsLogin,
) (accepted, depends bool) {
	t.Helper()
	g := newGenerator(seed, functions)
	s, err := parse(g.document(), functions, &newerRules{})
	if err != nil {
		return false, false
	}
	tries := 1
	if s.HasLogin() { // with several vendors, because few random schemes have one that is accepted
		tries = 4
	}
	for range tries {
		depends = depends || len(blindedResults(t, s, g, read)) > 1
	}
	return true, depends
}

// With every digest replaced by a constant, no accepted scheme gives other headers for other secrets.
func TestSecretsDoNotInterfere(t *testing.T) {
	t.Parallel()
	blind := blinded()
	accepted, logins := 0, 0
	const programs = 4_000
	for seed := range uint64(programs) {
		is, depends := checkInterference(t, seed, blind, LoginCall.Read)
		if depends {
			t.Fatalf("depends on a secret: %s", newGenerator(seed, blind).document())
		}
		if is {
			accepted++
		}
		if is && newGenerator(seed, blind).logsIn {
			logins++
		}
	}
	require.Greater(t, logins, programs/20, "too few of those have a login")
	require.Greater(t, accepted, programs/5, "too few of the random schemes are accepted to show anything")
}

// FuzzInterference is TestSecretsDoNotInterfere for as long as one likes.
func FuzzInterference(f *testing.F) {
	f.Add(uint64(0))
	blind := blinded()
	f.Fuzz(func(t *testing.T, seed uint64) {
		if _, depends := checkInterference(t, seed, blind, LoginCall.Read); depends {
			t.Fatalf("depends on a secret: %s", newGenerator(seed, blind).document())
		}
	})
}

// The test above would find a hole: each of these is one that somebody could make.
func TestInterferenceIsFound(t *testing.T) {
	t.Parallel()
	keep := func(size int) flow {
		return func(*checker, call, []operand) facts { return facts{fresh: true, max: size, endsPublic: true} }
	}
	holes := map[string]func(map[string]*function){
		"a comparison": func(table map[string]*function) {
			hole := *table["startsWith"]
			hole.signatures = []signature{two(kindSecret, kindString, kindBool)}
			hole.flow = func(*checker, call, []operand) facts { return facts{} }
			table["startsWith"] = &hole
		},
		"a decoding that can fail": func(table map[string]*function) {
			table["decode"] = &function{
				name: "decode", arguments: "x", flow: keep(1), signatures: []signature{one(kindSecret, kindString)},
				compute: ofOne(func(x string) string { // an output that cannot be sent fails the signing
					if strings.ContainsAny(x, "?") {
						return "\n"
					}
					return ""
				}),
			}
		},
		"a private key that is written": func(table map[string]*function) {
			table["written"] = &function{
				name: "written", arguments: "key", flow: keep(20), signatures: []signature{one(kindPrivateKey, kindString)},
				compute: func(args []evaluate) evaluate {
					return func(e *environment) string { return fmt.Sprintf("%.20x", e.keys[args[0](e)].numbers()[0]) }
				},
			}
		},
		"a public key that is compared": func(table map[string]*function) {
			table["begins"] = &function{
				name: "begins", arguments: "key", signatures: []signature{one(kindPrivateKey, kindBool)},
				flow: func(*checker, call, []operand) facts { return facts{} },
				compute: func(args []evaluate) evaluate {
					return func(e *environment) string { return truth(e.keys[args[0](e)].public[40] > 'a') }
				},
			}
		},
		"an encoding that makes a string": func(table map[string]*function) {
			hole := *table["hex"]
			hole.signatures = []signature{one(kindBytes, kindString), one(kindSecret, kindString)}
			table["hex"] = &hole
		},
	}
	for _, name := range []string{
		"decoded_query", "sorted_pairs", "unhex", "unbase64", "segment", "host_of", "length",
	} {
		holes[name+" of a secret"] = func(table map[string]*function) {
			hole := *table[name]
			takes := slices.Clone(hole.signatures[0].takes)
			takes[0] = kindSecret
			hole.signatures = []signature{{takes, hole.signatures[0].gives}}
			hole.flow = keep(maxSecret)
			table[name] = &hole
		}
	}
	for name, plant := range holes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table := blinded()
			plant(table)
			found := false
			for seed := uint64(0); seed < 20_000 && !found; seed++ {
				_, found = checkInterference(t, seed, table, LoginCall.Read)
			}
			require.True(t, found)
		})
	}
}

// The test would also find a hole in how an answer is held against the secrets.
func TestInterferenceOfVendorsIsFound(t *testing.T) {
	t.Parallel()
	onlySecrets := func(c LoginCall, kept int) LoginCall {
		c.secrets = c.secrets[:kept]
		return c
	}
	searched := func(texts func(value string) []string) readsLogin {
		return func(c LoginCall, a LoginAnswer) (Gives, error) {
			gives, taken, err := c.take(a)
			for _, text := range c.secrets {
				for _, spelling := range texts(text) {
					for _, value := range taken {
						if strings.Contains(strings.ToLower(value), strings.ToLower(spelling)) {
							return Gives{}, errGivesBack
						}
					}
				}
			}
			return gives, err
		}
	}
	inHex := func(text string) string { return hex.EncodeToString([]byte(text)) }
	encoded := func(text string) []string {
		return []string{percentEncode(text), url.QueryEscape(text), jsonString(text)}
	}
	for name, read := range map[string]readsLogin{
		"an answer that is not searched": func(c LoginCall, a LoginAnswer) (Gives, error) {
			gives, _, err := c.take(a)
			return gives, err
		},
		"a life that is not searched": func(c LoginCall, a LoginAnswer) (Gives, error) {
			gives, taken, err := c.take(a)
			if err == nil && c.givesBack(taken[:len(gives.Values)+1]) { // the values, and these joined
				err = errGivesBack
			}
			return gives, err
		},
		"an error that quotes the answer": func(c LoginCall, a LoginAnswer) (Gives, error) {
			gives, err := c.Read(a)
			if err != nil {
				err = fmt.Errorf("%w: %s", err, a.Body)
			}
			return gives, err
		},
		"a search for the secrets only": func(c LoginCall, a LoginAnswer) (Gives, error) {
			return onlySecrets(c, 3).Read(a)
		},
		"a search without base64": searched(func(text string) []string { return append(encoded(text), text, inHex(text)) }),
		"a search of one alignment of base64": searched(func(text string) []string {
			return append(encoded(text), text, inHex(text), inBase64(text)[0], inBase64(text)[3])
		}),
		"a search without base64url": searched(func(text string) []string {
			return append(encoded(text), slices.Concat([]string{text, inHex(text)}, inBase64(text)[:3])...)
		}),
		"a search without hex": searched(func(text string) []string {
			return append(encoded(text), append(inBase64(text), text)...)
		}),
		"a search without percent-encoding": searched(func(text string) []string {
			return append(inBase64(text), text, inHex(text), jsonString(text))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blind := blinded()
			found := false
			for seed := uint64(0); seed < 20_000 && !found; seed++ {
				_, found = checkInterference(t, seed, blind, read)
			}
			require.True(t, found)
		})
	}
}

// Random schemes stay within the bounds that were computed for them, and never panic.
func TestBoundsHold(t *testing.T) {
	t.Parallel()
	keys := map[string]*keyPair{}
	for name, kind := range pairKinds {
		var err error
		keys[name], err = readKeyPair(pairSets[1][name], kind)
		require.NoError(t, err)
	}
	for seed := range uint64(5_000) {
		g := newGenerator(seed, functions)
		text := g.expression(kindString, 6)
		var c *checker
		var compiled operand
		read := func(work func()) (err error) {
			defer caught(&err)
			work()
			return nil
		}
		require.NoError(t, read(func() {
			d := readDocument(g.document(), &newerRules{})
			d.allowExtension = true
			c = newChecker(d, functions)
		}))
		if read(func() { compiled = c.compile(source{"x", "x", text}, map[string]bool{}, kindString) }) != nil {
			continue
		}
		e := &environment{now: time.Unix(1767323045, 999_999_999), values: make([]string, len(c.names)), keys: keys}
		for _, n := range c.names {
			// The worst for encodings are bytes that are escaped, and for queries many empty values.
			if n.kind == kindPrivateKey {
				e.values[n.slot] = n.name
				continue
			}
			e.values[n.slot] = strings.Repeat(g.pick("\x00", "\u2028"[:1], "a&", "&", "%"), n.max)[:n.max]
		}
		e.values[slotUUID], e.values[slotNonce] = strings.Repeat("/", maxUUID), strings.Repeat("\x00", maxNonce)
		e.values[slotBaseURL] = strings.Repeat("&", maxBase)
		for _, let := range c.lets {
			if let.compute != nil {
				let.compute(e)
			}
		}
		got := compiled.value(e)
		require.LessOrEqual(t, len(got), compiled.max, text)
		if compiled.min > 0 {
			for _, n := range c.names { // as empty as they may be
				if n.kind != kindPrivateKey {
					e.values[n.slot] = strings.Repeat("a", n.min)
				}
			}
			require.NotEmpty(t, compiled.value(e), text)
		}
	}
}
