package backend

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/sdk/logical"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/apisig/vault-plugin-apisig/internal/upstreamtest"
	"github.com/apisig/vault-plugin-apisig/schemes"
)

func TestSchemesAreListed(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	for _, path := range []string{"schemes", "schemes/"} {
		require.Equal(t, values{"keys": schemes.Names()}, m.must(logical.ListOperation, path, nil))
	}
}

func TestSchemeIsRead(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	require.Equal(t, values{
		"scheme":        schemes.Text("podcast-index"),
		"title":         "Podcast Index API: a scheme without a request, so it is read under creds/",
		"documentation": "https://podcastindex-org.github.io/docs-api/#auth",
		"base_url":      "https://api.podcastindex.org/api/1.0",
		"secrets":       []string{"api_secret"},
		"fields":        []string{"api_key"},
		"request":       []string{},
		"login":         false,
		"write": `printf %s "$SECRET" | vault write apisig/config/custom/podcasts scheme=podcast-index api_secret=- ` +
			"api_key=EXAMPLEKEY",
		"use": "vault read -field=header_lines apisig/creds/custom/podcasts",
	}, m.read("schemes/podcast-index"))
	require.Equal(t, []string{"request_string", "body"}, m.read("schemes/binance")["request"])
	require.NotContains(t, m.read("schemes/ovhcloud"), "base_url")
	for _, none := range []string{"none", "Binance", "binance.yml", "a b", "binance/x", "..", "../binance"} {
		_, status, text := m.handle(logical.ReadOperation, "schemes/"+none, nil)
		require.Equal(t, http.StatusNotFound, status, none)
		require.Empty(t, text, none)
	}
}

// catalogued is what these tests need of a scheme.
type catalogued struct {
	Secrets  map[string]struct{ Encoding, Key string }
	Fields   map[string]struct{ Address bool }
	Login    map[string]any
	Examples []struct {
		Fields, Request map[string]string
		BaseURL         string `yaml:"base_url"`
		Now             time.Time
		Login           upstreamtest.ExampleLogin
	}
}

// vendorOf starts a vendor that answers logins as the first example of a scheme does. It returns base_url and the
// fields that are addresses, all with the vendor's address.
func (m *mount) vendorOf(declared catalogued) values {
	m.t.Helper()
	example := declared.Examples[0]
	vendor := upstreamtest.New(m.t, example.Login.Answer.Handler(example.BaseURL, m.time().Sub(example.Now)))
	vendor.Start()
	m.client.LoopbackLogins = true
	addresses := values{"base_url": vendor.URL}
	for name, field := range declared.Fields {
		if field.Address {
			addresses[name] = vendor.URL
		}
	}
	return addresses
}

// secretFor is a secret of a kind: its encoding, or its kind of key.
func secretFor(t *testing.T, encoding, key string) string {
	t.Helper()
	if key != "" {
		return madeKey(t, key)
	}
	random := []byte(rand.Text())
	if encoding == "hex" {
		return hex.EncodeToString(random)
	}
	return base64.StdEncoding.EncodeToString(random)
}

// The commands that a read of each scheme returns do what they say, with new secrets, and with an example's values for
// what they would take from files and other commands.
func TestCommandsOfSchemesSucceed(t *testing.T) {
	t.Parallel()
	for _, name := range schemes.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			read := m.read("schemes/" + name)
			var declared catalogued
			require.NoError(t, yaml.Unmarshal([]byte(read["scheme"].(string)), &declared))
			secrets := map[string]string{}
			for secret, how := range declared.Secrets {
				secrets[secret] = secretFor(t, how.Encoding, how.Key)
			}
			value := func(parameter, given string) any {
				if secret, is := secrets[parameter]; is {
					return secret
				}
				if !strings.HasPrefix(given, "@") && !strings.Contains(given, "$") {
					return given
				}
				for _, example := range declared.Examples {
					if value, has := example.Request[parameter]; has {
						return value
					}
				}
				return given
			}
			path, parameters := vaultCommand(t, read["write"].(string), value)
			require.Equal(t, name, parameters["scheme"])
			if declared.Login != nil {
				maps.Copy(parameters, m.vendorOf(declared))
			}
			m.write(path, parameters)
			config := m.read(path)
			require.Equal(t, read["scheme"], config["scheme"])
			require.Equal(t, name, config["scheme_name"])
			path, parameters = vaultCommand(t, read["use"].(string), value)
			answer := m.must(logical.UpdateOperation, path, parameters)
			require.True(t, answer["headers"] != nil || answer["query"] != nil)
			for _, secret := range secrets {
				require.NotContains(t, string(mustJSON(t, values{"config": config, "answer": answer})), secret)
			}
		})
	}
}

// APNs takes a new token at most every 20 minutes, and none that is older than an hour. A reader that reads again when
// the answer says so keeps both.
func TestTokensOfAPNsAreReplacedInTime(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	m.write("config/custom/push", values{
		"scheme": "apns", "private_key": madeKey(t, "p256"), "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ",
	})
	data := m.read("creds/custom/push")
	require.GreaterOrEqual(t, data["ttl"], 20*60)
	require.Equal(t, data["ttl"], data["rotation_period"])
	expires, err := time.Parse(time.RFC3339, data["expires_at"].(string))
	require.NoError(t, err)
	require.Less(t, expires.Sub(began), time.Hour)
}

// fileOfCommand is what bash reads like a file.
var fileOfCommand = regexp.MustCompile(`<\([^)]*\)`)

// vaultCommand is the path of a command of Vault's, and its parameters, as value makes them of what is given.
func vaultCommand(
	t *testing.T, command string, value func(parameter, given string) any,
) (path string, parameters values) {
	t.Helper()
	_, command, found := strings.Cut(command, "vault ")
	require.True(t, found, command)
	parameters = values{}
	for _, word := range shellWords(fileOfCommand.ReplaceAllLiteralString(command, "file")) {
		name, given, is := strings.Cut(word, "=")
		switch {
		case strings.HasPrefix(word, "apisig/"):
			path = strings.TrimPrefix(word, "apisig/")
		case is && !strings.HasPrefix(word, "-"):
			parameters[name] = value(name, given)
		}
	}
	return path, parameters
}

// shellWords are those of one command. Quotes are removed, and variables and commands in double quotes left as they
// are.
func shellWords(command string) []string {
	var words []string
	word, inWord, quote := "", false, rune(0)
	end := func() {
		if inWord {
			words = append(words, word)
		}
		word, inWord = "", false
	}
	for _, r := range strings.ReplaceAll(command, "\\\n", " ") {
		switch {
		case quote == 0 && strings.ContainsRune("|)#", r):
			end()
			return words
		case quote == 0 && (r == ' ' || r == '\n'):
			end()
		case quote == 0 && (r == '"' || r == '\''):
			quote, inWord = r, true
		case r == quote:
			quote = 0
		default:
			word, inWord = word+string(r), true
		}
	}
	end()
	return words
}

// binance is a whole config of a scheme of the catalogue.
func binance(over values) values {
	return with(values{
		"scheme": "binance", "base_url": "https://api.example", "api_key": "key1", "secret_key": "canary-secret",
	}, over)
}

// A config that is written by a name has its own copy of the scheme, and the name.
func TestSchemeIsWrittenByItsName(t *testing.T) {
	t.Parallel()
	text := schemes.Text("binance")
	for name, given := range map[string]string{
		"a name":               "binance",
		"with a line break":    "binance\n",
		"with one of Windows'": "binance\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/x", binance(values{"scheme": given}))
			read := m.read("config/custom/x")
			require.Equal(t, text, read["scheme"])
			require.Equal(t, "binance", read["scheme_name"])
			require.NotContains(t, read, "scheme_upgrade")
			require.Contains(t, m.stored()["config/custom/x"], `"scheme":`+string(mustJSON(t, text)))
			require.Contains(t, m.stored()["config/custom/x"], `"scheme_name":"binance"`)
			require.NotContains(t, m.stored()["config/custom/x"], "scheme_upgrade")
			m.InvalidateKey(t.Context(), "config/custom/x")
			require.Equal(t, read, m.read("config/custom/x"))
			call := values{"request_string": "/api/v3/account"}
			signed := m.must(logical.UpdateOperation, "sign/custom/x", call)["query"]
			m.write("config/custom/y", binance(values{"scheme": text}))
			require.NotContains(t, m.read("config/custom/y"), "scheme_name")
			require.Equal(t, m.must(logical.UpdateOperation, "sign/custom/y", call)["query"], signed)
		})
	}
}

// The text, not its name, decides whether a write changes the scheme. A write of a text drops the name.
func TestSchemeNameFollowsTheWrite(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	text := schemes.Text("binance")
	m.write("config/custom/x", binance(nil))
	nameOf := func() any { return m.read("config/custom/x")["scheme_name"] }
	m.write("config/custom/x", values{"secret_key": "canary-second", "base_url": "https://api.example"})
	require.Equal(t, "binance", nameOf(), "a write that does not name the scheme")
	same, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", values{"scheme": "binance"})
	require.Empty(t, fault)
	if same != nil {
		require.NotContains(t, strings.Join(same.Warnings, "\n"), "the catalogue")
	}
	require.Equal(t, "binance", nameOf())
	m.write("config/custom/x", values{"scheme": text})
	require.Nil(t, nameOf(), "the same text")
	require.NotContains(t, m.stored()["config/custom/x"], "scheme_name")
	m.write("config/custom/x", values{"scheme": "binance"})
	require.Equal(t, "binance", nameOf(), "the name of the stored text")
	require.Contains(t, m.stored()["config/custom/x"], "canary-second")
	const startsOver = "a write that changes scheme starts over"
	for _, other := range []string{"bybit", text + "\n"} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", values{"scheme": other}), startsOver)
	}
	m.write("config/custom/x", binance(values{"scheme": text + "\n"}))
	require.Nil(t, nameOf())
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", values{"scheme": "binance"}), startsOver)
	m.write("config/custom/x", binance(nil))
	require.Equal(t, "binance", nameOf())
	require.Contains(t, m.refused(logical.PatchOperation, "config/custom/x", values{"scheme": nil}), "scheme is required")
}

// older makes a config whose copy of a scheme is not what the catalogue has by now. Another name can be in it.
func older(t *testing.T, name string) (m *mount, text string) {
	t.Helper()
	m = newMount(t)
	m.write("config/custom/x", binance(nil))
	text = strings.Replace(schemes.Text("binance"), "ttl: 5s", "ttl: 4s", 1)
	m.elsewhere("config/custom/x", "scheme", text)
	m.elsewhere("config/custom/x", "scheme_name", name)
	m.InvalidateKey(t.Context(), "config/custom/x")
	return m, text
}

// A config keeps its copy until a write upgrades it, which needs every secret.
func TestSchemeIsUpgraded(t *testing.T) {
	t.Parallel()
	m, text := older(t, "binance")
	const differs = "the catalogue's binance is not what the config has; the config keeps its copy, and " +
		"scheme_upgrade=true in a write with every secret and field takes the catalogue's"
	for _, given := range []values{{"scheme": "binance"}, binance(nil), {"scheme": "binance", "scheme_upgrade": false}} {
		resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", given)
		require.Empty(t, fault)
		require.Contains(t, resp.Warnings, differs)
		require.Equal(t, text, m.read("config/custom/x")["scheme"])
		require.Equal(t, "binance", m.read("config/custom/x")["scheme_name"])
	}
	before := m.stored()
	for _, given := range []values{
		{"scheme_upgrade": true},
		{"scheme": "binance", "scheme_upgrade": true},
		{"scheme_upgrade": "true", "secret_key": "canary-new"},
		{"scheme_upgrade": true, "api_key": "key1"},
	} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", given), "starts over")
		require.Equal(t, before, m.stored())
	}
	for _, given := range []values{
		{"scheme_upgrade": true, "secret_key": "canary-new", "api_key": "key1"},
		binance(values{"scheme_upgrade": "true"}),
	} {
		m, _ := older(t, "binance")
		resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", given)
		require.Empty(t, fault)
		require.NotContains(t, resp.Warnings, differs)
		require.Contains(t, strings.Join(resp.Warnings, "\n"), "body can be absent or empty", "of the catalogue's text")
		require.Equal(t, schemes.Text("binance"), m.read("config/custom/x")["scheme"])
		require.Equal(t, "binance", m.read("config/custom/x")["scheme_name"])
	}
	m.write("config/custom/new", binance(values{"scheme_upgrade": true}))
	for name, test := range map[string]struct {
		given values
		want  string
	}{
		"of a text": {
			binance(values{"scheme": text, "scheme_upgrade": true}),
			"scheme_upgrade takes a scheme by its name",
		},
		"of no name": {binance(values{"scheme_upgrade": "canary"}), "scheme_upgrade must be true or false"},
		"of a list": {
			binance(values{"scheme_upgrade": []string{"canary"}}),
			"scheme_upgrade must be a string, given once",
		},
		"of a number":  {binance(values{"scheme_upgrade": 5}), "scheme_upgrade must be a string, given once"},
		"a name of it": {binance(values{"scheme_name": "binance"}), `unknown parameter "scheme_name"`},
	} {
		require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", test.given), test.want, name)
	}
	m.write("config/custom/text", binance(values{"scheme": text}))
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/text", values{"scheme_upgrade": true}),
		"scheme_upgrade takes a scheme by its name")
}

// An upgrade keeps the config's own address. One that was the old scheme's becomes the new one's.
func TestSchemeUpgradeKeepsBaseURL(t *testing.T) {
	t.Parallel()
	const own, before, now = "https://testnet.binance.vision", "https://before.binance.com", "https://api.binance.com"
	withBaseURL := strings.Replace(schemes.Text("binance"), "base_url: "+now, "base_url: "+before, 1)
	for name, test := range map[string]struct{ text, stored, want string }{
		"its own":                      {withBaseURL, own, own},
		"the old scheme's":             {withBaseURL, before, now},
		"its own, the scheme has none": {strings.Replace(withBaseURL, "base_url: "+before+"\n", "", 1), own, own},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, _ := older(t, "binance")
			m.elsewhere("config/custom/x", "scheme", test.text)
			m.elsewhere("config/custom/x", "base_url", test.stored)
			m.InvalidateKey(t.Context(), "config/custom/x")
			resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x",
				values{"scheme_upgrade": true, "secret_key": "canary-new", "api_key": "key1"})
			require.Empty(t, fault)
			require.Equal(t, schemes.Text("binance"), m.read("config/custom/x")["scheme"])
			require.Equal(t, test.want, m.read("config/custom/x")["base_url"])
			require.Equal(t, test.want == own, strings.Contains(strings.Join(resp.Warnings, "\n"),
				"the new secret is used with the stored base_url "+own))
		})
	}
}

// Another scheme of the catalogue brings its own address, and a write that loses the config's own says so.
func TestAnotherSchemeBringsItsBaseURL(t *testing.T) {
	t.Parallel()
	const lost = "base_url is now that of the scheme, https://api.binance.com, and no longer the config's own"
	for name, test := range map[string]struct {
		given values
		want  string
		lost  bool
	}{
		"not named":      {nil, "https://api.binance.com", true},
		"an upgrade too": {values{"scheme_upgrade": true}, "https://api.binance.com", true},
		"named":          {values{"base_url": "https://own.example"}, "https://own.example", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/x", values{
				"scheme": "spotify", "client_id": "abc", "client_secret": "canary", "verify": false,
				"base_url": "https://elsewhere.example",
			})
			resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", with(values{
				"scheme": "binance", "secret_key": "canary-new", "api_key": "k1",
			}, test.given))
			require.Empty(t, fault)
			require.Equal(t, test.want, m.read("config/custom/x")["base_url"])
			require.Equal(t, test.lost, strings.Contains(strings.Join(resp.Warnings, "\n"), lost))
		})
	}
}

// A new secret relies on nobody if the address is that of the catalogue's scheme. One that someone set, or that stands
// in a text that is not the catalogue's, is named.
func TestSecretForTheCataloguesAddress(t *testing.T) {
	t.Parallel()
	const own, testNetwork = "https://api.binance.com", "https://testnet.binance.vision"
	for name, test := range map[string]struct {
		given  values
		older  bool
		warned string
	}{
		"the catalogue's":      {nil, false, ""},
		"the same, and named":  {values{"base_url": own}, false, ""},
		"the config's own":     {values{"base_url": testNetwork}, false, testNetwork},
		"that of a text":       {values{"scheme": schemes.Text("binance")}, false, own},
		"that of another text": {nil, true, own},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/x", with(values{"scheme": "binance", "secret_key": "canary", "api_key": "k1"}, test.given))
			if test.older {
				text := strings.Replace(schemes.Text("binance"), "ttl: 5s", "ttl: 4s", 1)
				m.elsewhere("config/custom/x", "scheme", text)
				m.InvalidateKey(t.Context(), "config/custom/x")
			}
			resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", values{"secret_key": "canary-new"})
			require.Empty(t, fault)
			warned := ""
			if resp != nil {
				warned = strings.Join(resp.Warnings, "\n")
			}
			if test.warned == "" {
				require.NotContains(t, warned, "the stored base_url")
			} else {
				require.Contains(t, warned, "the new secret is used with the stored base_url "+test.warned+";")
			}
		})
	}
}

// A secret that a login sends goes to the stored addresses only if they are those of the catalogue's scheme. A null is
// a wish for what the stored scheme says, which someone may have written.
func TestSentSecretForTheCataloguesAddress(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://elsewhere.example"
	catalogues := schemes.Text("spotify")
	text := strings.Replace(catalogues, "https://accounts.spotify.com'", elsewhere+"'", 1)
	older := strings.Replace(catalogues, "ttl: 1h", "ttl: 2h", 1)
	for name, test := range map[string]struct {
		stored, given values
		older         string
		relied        string
	}{
		"the catalogue's": {values{"scheme": "spotify"}, nil, "", ""},
		"null, and the catalogue's": {
			values{"scheme": "spotify"}, values{"base_url": nil, "token_address": nil}, "", "",
		},
		"null of the config's own": {
			values{"scheme": "spotify", "token_address": elsewhere}, values{"token_address": nil}, "", "",
		},
		"the config's own": {
			values{"scheme": "spotify", "token_address": elsewhere}, nil, "", "token_address " + elsewhere,
		},
		"null of a text": {
			values{"scheme": text},
			values{"base_url": nil, "token_address": nil},
			"",
			"base_url https://api.spotify.com and the stored token_address " + elsewhere,
		},
		"null of a text that the write names": {
			values{"scheme": text}, values{"scheme": text, "base_url": nil, "token_address": nil}, "", "",
		},
		"the config's own base_url, and an upgrade": {
			values{"scheme": "spotify", "base_url": elsewhere},
			values{"scheme_upgrade": true, "client_id": "abc"},
			older, "base_url " + elsewhere,
		},
		"the old scheme's addresses, and an upgrade": {
			values{"scheme": "spotify"}, values{"scheme_upgrade": true, "client_id": "abc"}, older, "",
		},
		"a certificate, and the catalogue's addresses": {
			values{"scheme": "spotify", "ca_cert": testCertificate}, nil, "", "ca_cert",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			m.write("config/custom/x", with(values{
				"client_id": "abc", "client_secret": "canary", "verify": false,
			}, test.stored))
			if test.older != "" {
				m.elsewhere("config/custom/x", "scheme", test.older)
				m.InvalidateKey(t.Context(), "config/custom/x")
			}
			before := m.stored()
			_, status, fault := m.handle(logical.PatchOperation, "config/custom/x",
				with(values{"client_secret": "canary-new", "verify": false}, test.given))
			if test.relied == "" {
				require.Empty(t, fault)
				return
			}
			require.Equal(t, http.StatusBadRequest, status)
			require.Contains(t, fault, "this write relies on the stored "+test.relied+"; name it again")
			require.Equal(t, before, m.stored())
		})
	}
}

// A config whose scheme is not in the catalogue any more goes on working, and can be written again.
func TestSchemeThatLeftTheCatalogue(t *testing.T) {
	t.Parallel()
	m, text := older(t, "gone")
	resp, _, fault := m.handle(logical.UpdateOperation, "config/custom/x", binance(values{"scheme": "gone"}))
	require.Empty(t, fault)
	require.Contains(t, resp.Warnings, "the catalogue no longer has the scheme gone; the config keeps its copy")
	require.Equal(t, text, m.read("config/custom/x")["scheme"])
	require.Equal(t, "gone", m.read("config/custom/x")["scheme_name"])
	upgrade := binance(values{"scheme": "gone", "scheme_upgrade": true})
	require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", upgrade),
		"the catalogue has no scheme of this name")
}

// Where only a newer rule refuses the config's copy, the error says how to take the catalogue's.
func TestOutdatedCopyOfAScheme(t *testing.T) {
	t.Parallel()
	m, _ := older(t, "binance")
	m.elsewhere("config/custom/x", "scheme", strings.Replace(schemes.Text("binance"), "[A-Za-z0-9]+", "^[A-Za-z0-9]+", 1))
	m.InvalidateKey(t.Context(), "config/custom/x")
	text := m.refused(logical.UpdateOperation, "config/custom/x", values{"scheme": "binance"})
	require.Contains(t, text, "fields.api_key.pattern: has ^")
	require.Contains(t, text, "; scheme_upgrade=true takes the catalogue's binance")
	m.write("config/custom/x", binance(values{"scheme_upgrade": true}))
}

// What is no name of a scheme is refused with those that are most like it, or with what a scheme is.
func TestSchemeNamesThatAreWrong(t *testing.T) {
	t.Parallel()
	m := newMount(t)
	nearest := func(names string) string {
		return "the catalogue has no scheme of this name; the nearest are " + names + "; LIST schemes names all, and a " +
			"file is given as scheme=@file"
	}
	for given, want := range map[string]string{
		"binanse":                       nearest("binance, "),
		"aws":                           nearest("aws-s3, aws-sigv4, "),
		"gate-io":                       nearest("gate, "),
		"tencent-tc3":                   nearest("tencent-cloud, "),
		"github":                        nearest("github-app, github-webhook, "),
		"alibaba-o":                     nearest("alibaba-cloud-rpc, alibaba-cloud-acs3, "),
		"ovh\n":                         nearest("ovhcloud, "),
		"canary-5f0c":                   nearest(""),
		"Binance":                       nearest("binance, "),
		"OVHCLOUD":                      nearest("ovhcloud, "),
		"schemes/ovh.yml":               nearest("ovhcloud, "),
		"binance.yml":                   nearest("binance, "),
		"schemes/binance.yml":           nearest("binance, "),
		"./binance":                     nearest("binance, "),
		strings.Repeat("a", 65):         nearest(""),
		strings.Repeat("a", 60<<10):     nearest(""),
		"binance\n\n":                   nearest("binance, "),
		"\nbinance":                     nearest("binance, "),
		" ovh":                          nearest("ovhcloud, "),
		"binance\t\r\n":                 nearest("binance, "),
		"two words":                     "scheme: must be a mapping of names to values; from a file: scheme=@file",
		`{"secrets":{"canary":{}}}`:     "headers: declare at least one header, query parameter or body",
		"secrets:canary":                "scheme: must be a mapping",
		"":                              "scheme is required",
		"\n":                            "scheme",
		"-":                             nearest(""),
		strings.Repeat("z", 64):         nearest(""),
		strings.Repeat("binance\n", 99): "scheme: must be a mapping of names to values",
	} {
		text := m.refused(logical.UpdateOperation, "config/custom/x", binance(values{"scheme": given}))
		if prefix, names, has := strings.Cut(want, "the nearest are "); has {
			names, _, _ = strings.Cut(names, "; LIST")
			require.Contains(t, text, prefix+"the nearest are "+names, "%q", given)
			_, listed, _ := strings.Cut(text, "the nearest are ")
			listed, _, _ = strings.Cut(listed, ";")
			require.Len(t, strings.Split(listed, ", "), 3, "%q", given)
		} else {
			require.Contains(t, text, want, "%q", given)
		}
		require.NotContains(t, text, "canary", "%q", given)
		require.Empty(t, m.stored())
	}
}

// In a stored scheme that declares the catalogue's parameters, they are what the scheme says, though they look like the
// engine's. A new scheme cannot declare them.
func TestStoredSchemesOwnCatalogueNamesWin(t *testing.T) {
	t.Parallel()
	// printf a | openssl dgst -sha256 -hmac made-up
	const template = `secrets: {key: {}}
fields: {FIELD: {}}
request: {call: {}}
headers: {X-Field: FIELD, X-Sig: 'hex(hmac_sha256(key, call))'}
ttl: 60s
examples:
  - secrets: {key: made-up}
    fields: {FIELD: f}
    request: {call: a}
    want: {X-Sig: 1b156aac972b45204d72158cfedc51b48bfa1ee237d8b91da9fe55b5b3f605c0}
`
	for name, test := range map[string]struct{ name, value string }{
		"an upgrade":      {"scheme_upgrade", "true"},
		"no upgrade":      {"scheme_upgrade", "no"},
		"a name":          {"scheme_name", "binance"},
		"some other text": {"scheme_name", "in-spring"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMount(t)
			scheme := strings.ReplaceAll(template, "FIELD", test.name)
			m.storeConfig("x", scheme, values{"key": "canary-key"}, values{test.name: test.value})
			require.Equal(t, test.value, m.read("config/custom/x")[test.name])
			m.write("config/custom/x", values{test.name: test.value})
			m.write("config/custom/x", values{test.name: test.value + "x", "key": "canary-key"})
			require.Equal(t, test.value+"x", m.read("config/custom/x")[test.name])
			require.Contains(t, m.stored()["config/custom/x"], `"fields":{"`+test.name+`":"`+test.value+`x"}`)
			signed := m.must(logical.UpdateOperation, "sign/custom/x", values{"call": "a"})
			require.Equal(t, test.value+"x", signed["headers"].(map[string]string)["X-Field"])
			before := m.stored()
			change := values{"scheme": "binance", "secret_key": "canary-key"}
			require.Contains(t, m.refused(logical.UpdateOperation, "config/custom/x", change), "api_key is required")
			m.refused(logical.UpdateOperation, "config/custom/new", values{
				"scheme": scheme, "base_url": "https://api.example", "key": "canary-key", test.name: test.value,
			})
			require.Equal(t, before, m.stored())
			m.write("config/custom/x", binance(nil))
			require.Equal(t, "binance", m.read("config/custom/x")["scheme_name"])
			m.write("config/custom/x", binance(values{"scheme_upgrade": true}))
		})
	}
}
