package backend

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/api"
	"github.com/apisig/vault-plugin-apisig/internal/scheme"
)

// customScheme1 is the scheme of design and docs: OVHcloud.
var customScheme1 = func() string {
	text, err := os.ReadFile("../internal/scheme/testdata/ovhcloud.yml")
	if err != nil {
		panic(err)
	}
	return string(text)
}()

// The whole answer of a signed call. The signature was computed with Python's hashlib.
func TestCustomSign(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	want := values{
		"headers": map[string]string{
			"X-Ovh-Application": "key1", "X-Ovh-Consumer": "consumer", "X-Ovh-Timestamp": "1767323045",
			"X-Ovh-Signature": "$1$f8f89551c500497d18aba8ae3c294beb55d341c6",
		},
		"header_lines": "X-Ovh-Application: key1\nX-Ovh-Consumer: consumer\n" +
			"X-Ovh-Signature: $1$f8f89551c500497d18aba8ae3c294beb55d341c6\nX-Ovh-Timestamp: 1767323045\n",
		"base_url": "https://api.example", "url": "https://api.example/1.0/me?a=b", "expires_at": "2026-01-02T03:05:05Z",
	}
	given := values{"method": "GET", "request_string": "/1.0/me?a=b"}
	require.Equal(t, want, m.must(logical.UpdateOperation, "sign/custom/ovh", given))
	require.Equal(t, want, m.must(logical.ReadOperation, "sign/custom/ovh", given))
	require.Equal(t, values{
		"scheme": customScheme1, "base_url": "https://api.example", "application_key": "key1", "consumer_key": "consumer",
		"secret_written_at": "2026-01-02T03:04:05Z", "secrets": []string{"application_secret"},
		"fields": []string{"application_key", "consumer_key"}, "request": []string{"method", "request_string", "body"},
	}, m.read("config/custom/ovh"))
	require.Equal(t, values{"verified_at": "2026-01-02T03:04:05Z"},
		m.must(logical.UpdateOperation, "check/custom/ovh", nil))
	resp, _, _ := m.handle(logical.UpdateOperation, "check/custom/ovh", nil)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "the API was not called")
	require.NotContains(t, m.logged(), "canary")
}

// customCredsScheme has no request and two secrets, an optional field and one with a default.
const customCredsScheme = `secrets: {key: {}, salt: {encoding: hex}}
fields: {account: {}, label: {optional: true, pattern: '[a-z]+'}, zone: {default: eu}}
headers:
  X-Account: account
  X-Label: label
  X-Sig: hex(hmac_sha256(key + salt, account + label + zone + now.unix() + uuid + nonce))
ttl: 90s
examples:
  - secrets: {key: made-up, salt: 6d616465}
    fields: {account: a}
    now: 2026-01-02T03:04:05Z
    uuid: u
    nonce: n
    want: {X-Sig: 0d144a32e288e7dad97f773e28bdcf19ca332c116b308941fba4de79f79db133}
`

func (m *mount) customCreds() values {
	return values{
		"scheme":   customCredsScheme,
		"base_url": "https://api.example/",
		"key":      "canary-key",
		"salt":     "63616e617279",
		"account":  "acme",
	}
}

// The whole answer of credentials. The signature was computed with openssl.
func TestCustomCreds(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	// printf acmeeu1767323045<uuid><nonce> | openssl dgst -sha256 -hmac canary-keycanary
	const signature = "16edfd6f2802e2fb78e6cdf409fa3894e37409bcfc15cb3752ee56a671642e9c"
	want := values{
		"headers":             map[string]string{"X-Account": "acme", "X-Sig": signature},
		"header_lines":        "X-Account: acme\nX-Sig: " + signature + "\n",
		"per_call_headers":    []string{},
		"base_url":            "https://api.example",
		"expires_at":          "2026-01-02T03:05:35Z",
		"ttl":                 45,
		"rotation_period":     45,
		"last_vault_rotation": "2026-01-02T03:04:05.123456789Z",
	}
	require.Equal(t, want, m.read("creds/custom/x"))
	require.NotEqual(t, want["headers"],
		m.must(logical.UpdateOperation, "creds/custom/x", values{"unauthorized": true})["headers"])
	require.Equal(t, "the config config/custom/x serves apisig/creds/custom/x",
		m.refused(logical.ReadOperation, "sign/custom/x", values{"method": "GET"}))
	m.write("config/custom/ovh", m.customValues())
	require.Equal(t, "the config config/custom/ovh serves apisig/sign/custom/ovh",
		m.refused(logical.ReadOperation, "creds/custom/ovh", nil))
	require.Contains(t, m.refused(logical.UpdateOperation, "creds/custom/x", values{"account": "other"}),
		`unknown parameter "account"`)
	require.Contains(t, m.refused(logical.ReadOperation, "creds/custom/none", nil),
		"vault write apisig/config/custom/none scheme=@scheme.yml base_url=https://...")
	status := m.read("status/custom/x")
	require.Equal(t, 4, status["reads"])
	require.NotContains(t, status, "exchanges")
	metrics := m.scrape()
	require.InDelta(t, 2, metrics[`apisig_reads_total{config="x",path="creds",result="ok",vendor="custom"}`], 0)
	require.Contains(t, metrics, `apisig_secret_written_timestamp_seconds{config="ovh",vendor="custom"}`)
}

// What a caller can do wrong. No answer quotes a value.
func TestCustomSignRefusals(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/ovh", m.customValues())
	const takes = "; this takes method, request_string, body"
	call := values{"method": "GET", "request_string": "/1.0/"}
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"nothing": {
			given: values{},
			want:  "method is required" + takes,
		},
		"no request_string": {
			given: values{"method": "GET"},
			want:  "request_string is required" + takes,
		},
		"a method that does not match": {
			given: with(call, values{"method": "canary"}),
			want:  "method does not match the pattern that the scheme declares for it" + takes,
		},
		"points": {
			given: with(call, values{"request_string": "/1.0/../canary"}),
			want:  "request_string has a . or .. segment in its path" + takes,
		},
		"another prefix": {
			given: with(call, values{"request_string": "/2.0/canary"}),
			want:  "request_string must be under /1.0/" + takes,
		},
		"a body that does not match": {
			given: with(call, values{"body": "canary\n"}),
			want:  "body does not match the pattern that the scheme declares for it" + takes,
		},
		"a long body": {
			given: with(call, values{"body": string(make([]byte, 8193))}),
			want:  "body is longer than 8192 bytes" + takes,
		},
		"two methods": {
			given: with(call, values{"method": []string{"GET", "canary"}}),
			want:  "method must be a string, given once",
		},
		"null": {
			given: with(call, values{"body": nil}),
			want:  "body must be a string, given once",
		},
		"a field of the config": {
			given: with(call, values{"application_key": "canary"}),
			want:  `unknown parameter "application_key"` + takes,
		},
		"no name of its kind": {
			given: with(call, values{"canary secret": "x"}),
			want:  "unknown parameter" + takes,
		},
		"unauthorized of a word": {
			given: with(call, values{"unauthorized": "canary"}),
			want:  "unauthorized must be true or false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			require.Equal(t, test.want, m.refused(logical.UpdateOperation, "sign/custom/ovh", test.given))
			require.NotContains(t, m.logged(), "canary")
		})
	}
}

// A config write is all or nothing, and says what is wrong without quoting it.
func TestCustomWriteRefusals(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	good := m.customCreds()
	scheme := func(old, changed string) values {
		return with(good, values{"scheme": strings.Replace(customCredsScheme, old, changed, 1)})
	}
	const (
		shown = "is in the scheme, a field or base_url"
		away  = "would give the secret away: it is a secret, in whatever encoding, until it is hashed"
		takes = "; this takes account, base_url, key, label, salt, scheme, scheme_upgrade, secret_expires_at, zone"
	)
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"no scheme":            {without(good, "scheme"), "scheme is required"},
		"no base_url":          {without(good, "base_url"), "base_url is required"},
		"no secrets":           {without(good, "key", "salt"), "key, salt are required"},
		"no field":             {without(good, "account"), "account is required"},
		"a wrong scheme":       {with(good, values{"scheme": "secrets: canary"}), "secrets: must be a mapping"},
		"a scheme cut off":     {with(good, values{"scheme": "canary: ["}), "is not YAML"},
		"a secret in a header": {scheme("X-Account: account", "X-Account: key"), "headers.X-Account: " + away},
		"another signature": {
			scheme("account + label", "account + account + label"), "examples[0].want.X-Sig: the scheme gives",
		},
		"a list for a scheme":   {with(good, values{"scheme": []string{"canary"}}), "scheme must be a string, given once"},
		"null for a scheme":     {with(good, values{"scheme": nil}), "scheme is null"},
		"a number for a secret": {with(good, values{"key": 5}), "key must be a string"},
		"null for a secret":     {with(good, values{"key": nil}), "key is null"},
		"an empty secret":       {with(good, values{"key": ""}), "key is required"},
		"a newline in a secret": {
			with(good, values{"key": "canary\n"}), "key is not UTF-8 text without control characters",
		},
		"a secret that is no hex": {with(good, values{"salt": "canary"}), "salt is not hex"},
		"a comma in a field":      {with(good, values{"account": "canary,"}), "account is empty, or has a space, a comma"},
		"a quote in a field":      {with(good, values{"account": "canary'"}), "account contains a quote"},
		"an empty field":          {with(good, values{"label": ""}), "label does not match the pattern"},
		"http":                    {with(good, values{"base_url": "http://canary.example"}), "base_url is plain http"},
		"a long base_url": {
			with(good, values{"base_url": "https://a.example/" + strings.Repeat("a", 500)}),
			"base_url is longer than 512 bytes",
		},
		"verify":  {with(good, values{"verify": true}), `unknown parameter "verify"` + takes},
		"ca_cert": {with(good, values{"ca_cert": "x"}), `unknown parameter "ca_cert"` + takes},
		"secret_written_at": {
			with(good, values{"secret_written_at": "x"}), `unknown parameter "secret_written_at"` + takes,
		},
		"a secret in the scheme": {with(good, values{"key": "made-up"}), "key " + shown},
		"a secret in a field":    {with(good, values{"account": "canary-key"}), "key " + shown},
		"a secret in hex":        {with(good, values{"zone": "63616e617279"}), "salt " + shown},
		"a secret decoded":       {with(good, values{"zone": "canary"}), "salt " + shown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			text := m.refused(logical.UpdateOperation, "config/custom/x", test.given)
			require.Contains(t, text, test.want)
			require.NotContains(t, text, "canary")
			require.Empty(t, m.stored())
			require.NotContains(t, m.logged(), "canary")
		})
	}
	require.Contains(t, m.refused(logical.PatchOperation, "config/custom/x", values{"scheme": customCredsScheme}),
		"there is no config")
}

// The stored secrets are used for what they were given for: a scheme, an address, and fields.
func TestCustomSecretsStayWhereTheyWereMeantToGo(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	before := m.stored()
	both := values{"key": "canary-key", "salt": "63616e617279"}
	for name, change := range map[string]values{
		"base_url": {"base_url": "https://other.example"},
		"account":  {"account": "other"},
		"label":    {"label": "new"},
		"zone":     {"zone": "us"},
	} {
		for _, operation := range []logical.Operation{logical.UpdateOperation, logical.PatchOperation} {
			t.Run(fmt.Sprint(operation, " of ", name), func(t *testing.T) {
				t.Parallel()
				m := newMount(t)
				m.write("config/custom/x", m.customCreds())
				for _, more := range []values{nil, {"key": "canary-key"}, {"salt": "63616e617279"}} {
					require.Contains(t, m.refused(operation, "config/custom/x", with(change, more)),
						"changing "+name+" needs key and salt in the same write")
					require.Equal(t, before, m.stored())
				}
				m.must(operation, "config/custom/x", with(change, both))
				m.write("config/custom/x", m.customCreds())
				m.patch("config/custom/x", with(both, values{"label": nil, "zone": nil}))
				require.Equal(t, before, m.stored())
			})
		}
	}
	// The same value is no change, and a secret by itself may be replaced.
	m.write("config/custom/x", values{"account": "acme", "base_url": "https://api.example"})
	m.write("config/custom/x", values{"key": "canary-new"})
	require.Contains(t, m.stored()["config/custom/x"], `"secrets":{"key":"canary-new","salt":"63616e617279"}`)
	require.Contains(t, m.refused(logical.PatchOperation, "config/custom/x", values{"account": nil}),
		"account is required")
	require.Contains(t, m.refused(logical.PatchOperation, "config/custom/x", values{"key": nil}), "key is required")
	// A stored base_url that a new secret relies on is named.
	resp, _, _ := m.handle(logical.UpdateOperation, "config/custom/x", values{"key": "canary-key"})
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], "the stored base_url https://api.example")
}

// A write that changes the scheme, if only by a comment, starts over: nothing that the old scheme had is kept.
func TestCustomSchemeChangeStartsOver(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", with(m.customCreds(), values{"label": "old", "zone": "us"}))
	changed := customCredsScheme + "# another version\n"
	before := m.stored()
	for name, given := range map[string]values{
		"the scheme alone": {"scheme": changed},
		"with one secret":  {"scheme": changed, "key": "canary-key"},
		"with its secrets": {"scheme": changed, "key": "canary-key", "salt": "63616e617279"},
		"with a field":     {"scheme": changed, "account": "acme"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/x", with(m.customCreds(), values{"label": "old", "zone": "us"}))
			text := m.refused(logical.UpdateOperation, "config/custom/x", given)
			require.Contains(t, text,
				"required; a write that changes scheme starts over, so it must contain every secret and field")
			require.Equal(t, before, m.stored())
		})
	}
	// A scheme that declares a stored secret public cannot show it.
	public := strings.NewReplacer(
		"{key: {}, salt", "{salt",
		"account: {}", "account: {}, key: {}",
		"X-Account: account", "X-Account: key",
		"key + salt", "salt",
		"key: made-up, ", "",
		"{account: a}", "{account: a, key: k}",
		"0d144a32e288e7dad97f773e28bdcf19ca332c116b308941fba4de79f79db133",
		"c5a7aecc2be6ca083e08838c18a861ffce1e7e4ab2b151d9be59354de939c99b",
	).Replace(customCredsScheme)
	secretless := values{"scheme": public, "salt": "63616e617279", "account": "a"}
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", secretless),
		"key is required; a write that changes scheme starts over")
	m.write("config/custom/x", values{"scheme": public, "salt": "6e6577", "account": "a", "key": "public"})
	require.JSONEq(t, `{"scheme":`+quotedJSON(public)+`,"base_url":"https://api.example","secrets":{"salt":"6e6577"},
		"fields":{"account":"a","key":"public","zone":"eu"},"secret_written_at":"2026-01-02T03:04:05Z"}`,
		m.stored()["config/custom/x"])
	require.Equal(t, "public", m.read("creds/custom/x")["headers"].(map[string]string)["X-Account"])
	require.Equal(t, "eu", m.read("config/custom/x")["zone"])
	require.NotContains(t, m.read("config/custom/x"), "label")
}

// A config that a later version's rules would refuse is not lost, and the mount works.
func TestCustomSchemeThatIsNoLongerValid(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/good", m.customCreds())
	m.storeConfig("old", "secrets: {key: {}}", values{"key": "canary"}, values{})
	const problem = "headers: declare at least one header, query parameter or body"
	require.Contains(t, m.refused(logical.ReadOperation, "creds/custom/old", nil),
		"the config at apisig/config/custom/old cannot be used: "+problem)
	require.Contains(t, m.refused(logical.UpdateOperation, "check/custom/old", nil), problem)
	require.Equal(t, values{"problem": problem}, m.read("status/custom/old"))
	resp, _, _ := m.handle(logical.ReadOperation, "config/custom/old", nil)
	require.Equal(t, values{"scheme": "secrets: {key: {}}", "base_url": "https://api.example"}, resp.Data)
	require.Equal(t, []string{"this config cannot be used: " + problem}, resp.Warnings)
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/old", values{"base_url": "https://b.example"}),
		problem)
	require.Contains(t, m.scrape(), `apisig_secret_written_timestamp_seconds{config="good",vendor="custom"}`)
	m.read("creds/custom/good")
	m.write("config/custom/old", m.customCreds())
	m.read("creds/custom/old")
	require.NotContains(t, m.logged(), "canary")

	m.put("config/custom/damaged", []byte(`{"scheme":"x","secrets":5}`))
	require.Equal(t, values{"problem": "the storage entry is damaged; delete the config and write it again"},
		m.read("status/custom/damaged"))
}

// The answer to a write of a scheme says what is risky about it; other writes do not repeat it.
func TestCustomWriteWarns(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	static := strings.NewReplacer("ttl: 90s",
		"ttl: 90s\nallow_static: true\nallow_extension: true").Replace(customCredsScheme)
	resp, _, _ := m.handle(logical.UpdateOperation, "config/custom/x", with(m.customCreds(), values{"scheme": static}))
	require.Len(t, resp.Warnings, 2)
	require.Contains(t, resp.Warnings[0], "allow_static: ")
	require.Contains(t, resp.Warnings[1], "allow_extension: ")
	read := m.read("config/custom/x")
	require.Equal(t, []any{true, true}, []any{read["allow_static"], read["allow_extension"]})
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/x", values{
		"base_url": "https://api.example", "key": "canary-new",
	})
	require.Nil(t, resp)
	resp, _, _ = m.handle(logical.UpdateOperation, "config/custom/ovh", m.customValues())
	require.Len(t, resp.Warnings, 4)
	require.Contains(t, strings.Join(resp.Warnings, "\n"), "can be extended")
	require.Contains(t, strings.Join(resp.Warnings, "\n"),
		"headers.X-Ovh-Signature: request_string, body can have the text in it")
	require.NotContains(t, m.read("config/custom/ovh"), "allow_static")
}

// An error of a config write does not tell whether the write guessed the stored secret.
func TestCustomWritesDoNotTellStoredSecrets(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	for name, change := range map[string]values{
		"a secret":            {"account": "canary-key"},
		"none":                {"account": "wrong-guess"},
		"more than a secret":  {"account": "xcanary-keyx"},
		"a secret in hex":     {"zone": "63616e617279"},
		"a secret decoded":    {"zone": "canary"},
		"a secret in a host":  {"base_url": "https://canary-key.example"},
		"with another secret": {"account": "canary-key", "salt": "63616e617279"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, m.in(t).refused(logical.UpdateOperation, "config/custom/x", change),
				"needs key and salt in the same write")
		})
	}
	changed := customCredsScheme + "# canary-key\n"
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", values{"scheme": changed}),
		"key, salt, account are required")
}

// panickingCreds panics, or not.
type panickingCreds struct {
	real   api.Creds
	panics *bool
}

func (c panickingCreds) Creds(m api.Moment) (api.Answer, error) {
	if *c.panics {
		panic("canary")
	}
	return c.real.Creds(m)
}

// A panic while signing becomes an error. The process and other requests continue.
func TestPanicInASchemeIsAnError(t *testing.T) {
	t.Parallel()
	custom, panics := scheme.API(), true
	changeForms(custom, func(form *api.Form) {
		open := form.Open
		form.Open = func(v api.Values) (*api.Account, error) {
			account, err := open(v)
			if err == nil {
				account.Creds = panickingCreds{account.Creds, &panics}
			}
			return account, err
		}
	})
	m := newMountOf(t, []*api.API{custom})
	m.write("config/custom/x", m.customCreds())
	_, status, text := m.handle(logical.ReadOperation, "creds/custom/x", nil)
	require.Equal(t, 500, status)
	require.Equal(t, "internal error while signing for config/custom/x; see Vault's log", text)
	require.Contains(t, m.logged(), "signing panicked")
	require.NotContains(t, m.logged(), "canary")
	panics = false
	m.read("creds/custom/x")
}

// changeForms changes what the documents of an API declare.
func changeForms(a *api.API, change func(*api.Form)) {
	read := a.Document.Read
	a.Document.Read = func(text string) (api.Form, error) {
		form, err := read(text)
		change(&form)
		return form, err
	}
}

// A scheme is compiled once for a config: not for its reads, its signatures, the metrics, or writes of its other
// fields.
func TestCustomSchemeIsCompiledOnce(t *testing.T) {
	t.Parallel()
	custom, compiled := scheme.API(), 0
	changeForms(custom, func(*api.Form) { compiled++ })
	m := newMountOf(t, []*api.API{custom})
	m.write("config/custom/x", m.customCreds())
	require.Equal(t, 1, compiled)
	for range 3 {
		m.read("creds/custom/x")
		m.read("config/custom/x")
		m.read("status/custom/x")
		m.scrape()
		m.must(logical.UpdateOperation, "check/custom/x", nil)
		m.write("config/custom/x", values{"key": "canary-new", "base_url": "https://api.example"})
	}
	require.Equal(t, 1, compiled)
	m.InvalidateKey(t.Context(), "config/custom/x")
	m.read("creds/custom/x")
	require.Equal(t, 1, compiled)
	m.write("config/custom/x", with(m.customCreds(), values{"scheme": customCredsScheme + "\n"}))
	require.Equal(t, 2, compiled)
	m.must(logical.DeleteOperation, "config/custom/x", nil)
	m.scrape()
	require.Equal(t, 2, compiled)
}

// Configs with large schemes, many of them, stay small in memory and quick to use: all mounts of the plugin share the
// process.
func TestManyLargeSchemes(t *testing.T) { //nolint:paralleltest // it measures the heap
	const configs = 50
	conditions, lets := strings.Builder{}, strings.Builder{}
	for i := range 8 {
		fmt.Fprintf(&conditions, "  message %d: %saccount != \"\"\n", i, strings.Repeat("account == zone || ", 25))
	}
	for i := range 4 {
		fmt.Fprintf(&lets, "  let_%d: %s\n", i, strings.TrimSuffix(strings.Repeat(`lower("ab") + `, 40), " + "))
	}
	large := strings.Replace(customCredsScheme, "headers:",
		"let:\n"+lets.String()+"require:\n"+conditions.String()+"headers:", 1)
	large += "# " + strings.Repeat("x", 64<<10-len(large)-3) + "\n"
	require.Len(t, large, 64<<10)
	m := newMount(t)
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	began := time.Now()
	for i := range configs {
		m.write(fmt.Sprintf("config/custom/large-%d", i), with(m.customCreds(), values{"scheme": large}))
	}
	for i := range configs {
		m.read(fmt.Sprintf("creds/custom/large-%d", i))
	}
	each := (heap() - before) / configs
	t.Logf("%d KiB and %s a config", each>>10, time.Since(began)/configs)
	require.Less(t, each, uint64(256<<10))
	require.Less(t, time.Since(began)/configs, time.Second) // some milliseconds, unless the machine is busy
}

// customQueryScheme has query parameters only.
const customQueryScheme = `secrets: {key: {}}
request: {request_string: {}}
query: {sig: 'hex(hmac_sha256(key, request_string))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    request: {request_string: /a}
    want: {sig: de30fbad2eb9d85d8e61b8355c2b57eff01eb12bea38396fd7b4c564f0a3caba}
`

// The whole answer of a scheme without headers. The signature was computed with openssl.
func TestCustomQueryOnly(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/q", values{"scheme": customQueryScheme, "base_url": "https://api.example", "key": "canary-key"})
	const sig = "1427ef269dcf7ce399449e86aba91c5c5a7887d5dfc0777478499bfc1a7cee56"
	require.Equal(t, values{
		"base_url": "https://api.example", "expires_at": "2026-01-02T03:05:05Z",
		"query": map[string]string{"sig": sig}, "url": "https://api.example/a?sig=" + sig,
	}, m.must(logical.UpdateOperation, "sign/custom/q", values{"request_string": "/a"}))
}

// A scheme that another node stored counts, also before this node hears of it.
func TestCustomSchemeOfAnotherNode(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	m.elsewhere("config/custom/x", "scheme",
		strings.Replace(customCredsScheme, "ttl: 90s", "ttl: 30s\nallow_static: true", 1))
	require.Equal(t, true, m.read("config/custom/x")["allow_static"])
}

// A check signs the examples of what is stored: an earlier version may have signed them otherwise.
func TestCustomCheckSignsExamples(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	m.elsewhere("config/custom/x", "scheme", strings.Replace(customCredsScheme, "0d144a32", "00000000", 1))
	require.Contains(t, m.refused(logical.UpdateOperation, "check/custom/x", nil),
		"examples[0].want.X-Sig: the scheme gives")
	require.NotContains(t, m.logged(), "canary")
}

// The error of a read under creds/ does not list parameters, because there are none: it says what to change.
func TestCustomCredsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	given := with(m.customCreds(), values{
		"scheme": strings.Replace(customCredsScheme, "[a-z]+", ".*", 1), "label": "canary ",
	})
	m.write("config/custom/x", given)
	require.Equal(t, "headers.X-Label cannot be sent: a header is printable ASCII of at most 8192 bytes, without a space "+
		"at either end; the config's fields or its scheme must be changed",
		m.refused(logical.ReadOperation, "creds/custom/x", nil))
	// The first write of a config does not start over.
	delete(given, "key")
	require.Equal(t, "key is required", m.refused(logical.UpdateOperation, "config/custom/y", given))
}

// A read of a config declares what it says of its scheme.
func TestCustomConfigReadIsDeclared(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	fields := m.Route("config/custom/x").Operations[logical.ReadOperation].Properties().Responses[200][0].Fields
	for _, name := range []string{"secrets", "fields", "request", "allow_static", "allow_extension"} {
		require.Contains(t, fields, name)
	}
}

// A stored config goes on working when a newer rule refuses its scheme. A read, its status and a write of the scheme
// say why.
func TestCustomStoredSchemeOutlivesNewerRules(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	const static = `secrets: {key: {}}
request: {method: {pattern: 'GET'}}
headers: {X-Sig: 'hex(hmac_sha256(key, method))'}
ttl: 90s
examples:
  - secrets: {key: made-up}
    request: {method: GET}
    want: {X-Sig: 3311bf4392071d2a39b5810ad8ad0c8311f5d12c6f1adc403c12c1c7f2b6d02e}
`
	const refusal = "headers.X-Sig: has a digest of a secret that stays the same"
	given := values{"scheme": static, "base_url": "https://api.example", "key": "canary-key"}
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", given), refusal)
	m.write("config/custom/x", with(given, values{"scheme": strings.Replace(static, "GET'", "[A-Z]{3,7}'", 1)}))
	m.elsewhere("config/custom/x", "scheme", static)
	m.InvalidateKey(t.Context(), "config/custom/x")

	require.Equal(t, map[string]string{"X-Sig": "7eeab94e7b31d1dd615d994bdd4431f9a15953c90e3184ced74f2b470672c814"},
		m.must(logical.UpdateOperation, "sign/custom/x", values{"method": "GET"})["headers"])
	const outdated = "this config goes on working, but a write of its declaration would be refused: " + refusal
	require.Contains(t, m.read("status/custom/x")["problem"], outdated)
	resp, _, _ := m.handle(logical.ReadOperation, "config/custom/x", nil)
	require.Len(t, resp.Warnings, 1)
	require.Contains(t, resp.Warnings[0], outdated)
	m.must(logical.UpdateOperation, "check/custom/x", nil)
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", given), refusal)
	m.write("config/custom/x", values{"key": "canary-other", "base_url": "https://api.example"})
	m.must(logical.UpdateOperation, "sign/custom/x", values{"method": "GET"})
}

// A stored scheme that gives a derived key away does not sign, and its status says why.
func TestCustomStoredSchemeThatGivesAKeyAway(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	gives := strings.Replace(customCredsScheme, "  X-Sig: ", `  X-Key: hex(hmac_sha1(derive_sha1(seed), uuid))
  X-Derived: hex(hmac_sha1(derive_hmac_sha1(seed, now.format("%Y")), uuid))
  X-Sig: `, 1)
	gives = strings.NewReplacer(
		"secrets: {key: {}", "secrets: {seed: {}, key: {}",
		"secrets: {key:", "secrets: {seed: s, key:",
		"want: {", "want: {X-Key: x, X-Derived: x, ",
	).Replace(gives)
	m.elsewhere("config/custom/x", "scheme", gives)
	m.InvalidateKey(t.Context(), "config/custom/x")
	const why = "headers.X-Derived, column 32: cannot be a key of derive_hmac_sha1, " +
		"because a key of hmac_sha1 is made of the same"
	require.Contains(t, m.refused(logical.ReadOperation, "creds/custom/x", nil), "cannot be used: "+why)
	require.Contains(t, m.read("status/custom/x")["problem"], why)
}

// A secret that a newer search finds in a stored scheme keeps nothing from working. The next write is held to it.
func TestCustomStoredConfigOutlivesNewerSearch(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/x", m.customCreds())
	pasted := customCredsScheme + "# Authorization: Basic dXNlcjpjYW5hcnkta2V5\n" // user:canary-key
	m.elsewhere("config/custom/x", "scheme", pasted)
	m.InvalidateKey(t.Context(), "config/custom/x")
	m.read("creds/custom/x")
	m.must(logical.UpdateOperation, "check/custom/x", nil)
	require.NotContains(t, m.read("status/custom/x"), "problem")
	const refusal = "key is in the scheme, a field or base_url"
	for name, given := range map[string]values{
		"the scheme": with(m.customCreds(), values{"scheme": pasted}),
		"a secret":   {"salt": "63616e61727980", "base_url": "https://api.example"},
		"a field":    {"account": "other", "key": "canary-key", "salt": "63616e617279"},
		"base_url":   {"base_url": "https://b.example", "key": "canary-key", "salt": "63616e617279"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := m.in(t)
			require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", given), refusal)
			m.read("creds/custom/x")
			require.NotContains(t, m.logged(), "canary")
		})
	}
}
