package proxy

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const whole = `
listen: 127.0.0.1:8410
vault:
  address: https://vault.example.com:8200
  namespace: team
  token_file: /run/vault/token
  ca_cert: /etc/ca.pem
  client_cert: /etc/cert.pem
  client_key: /etc/key.pem
  tls_server_name: vault
routes:
  /avanan/us:
    sign: apisig/sign/avanan/us
    allow:
      - GET /v1.0/event/{id}
      - POST /v1.0/event/query
  /avanan/us/v2:
    sign: team/apisig/sign/custom/two
    send: [method, request_string, body_sha256]
    scopes: farm:customer
    queries: as-sent
    paths: encoded-slashes
    allow: [PUT /a%2Fb]
  /:
    creds: apisig/creds/pave/main
    allow: ["GET /v1/sessions/{rest...}"]
metrics: 0.0.0.0:9410
body_memory: 2GiB
`

func TestConfigIsRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "proxy.yml")
	require.NoError(t, os.WriteFile(file, []byte(whole), 0o600))
	config, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, Address{TCP: netip.MustParseAddrPort("127.0.0.1:8410")}, config.Listen)
	require.Equal(t, Vault{
		"https://vault.example.com:8200", "team", "/run/vault/token", "/etc/ca.pem", "/etc/cert.pem", "/etc/key.pem", "vault",
	}, config.Vault)
	require.Equal(t, "0.0.0.0:9410", config.Metrics)
	require.EqualValues(t, 2<<30, config.BodyMemory)
	require.Len(t, config.Routes, 3)
	first, second, last := config.Routes[0], config.Routes[1], config.Routes[2]
	require.Equal(t, []string{"/avanan/us/v2", "/avanan/us", "/"}, []string{first.Name(), second.Name(), last.Name()})
	require.Equal(t, []string{"method", "request_string", "body_sha256"}, first.Send)
	require.Equal(t, "farm:customer", first.Scopes)
	require.True(t, first.QueriesAsSent && first.EncodedSlashes)
	require.False(t, second.QueriesAsSent || second.EncodedSlashes)
	require.Equal(t, signing.Sign, second.kind)
	require.Equal(t, []string{"request_string"}, second.Send)
	require.Equal(t, "apisig/sign/avanan/us", second.Path)
	require.Equal(t, Unsent{"GET", "/v1.0/event/0"}, second.Samples()[0])
	require.Equal(t, signing.Creds, last.kind)
	require.Empty(t, last.Send)
	_, err = Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// someRoutes end a configuration that is about something else.
const someRoutes = "\nroutes: {/a: {creds: m/creds/pave/x, allow: [GET /]}}"

func TestSocketModeIsRead(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		text string
		want os.FileMode
	}{
		"the default": {"", 0o600},
		"a number":    {"\nsocket_mode: 0660", 0o660},
		"a text":      {"\nsocket_mode: \"0666\"", 0o666},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := Parse("f", []byte("listen: unix:///run/apisig.sock"+row.text+someRoutes))
			require.NoError(t, err)
			require.Equal(t, Address{Socket: "/run/apisig.sock", Mode: row.want}, config.Listen)
			require.EqualValues(t, 64<<20, config.BodyMemory)
		})
	}
}

// mistaken is a configuration that is refused.
type mistaken struct{ name, text, want string }

// refuses tests that each of them is an error with the file and the line.
func refuses(t *testing.T, rows []mistaken) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f.yml", []byte(row.text))
			require.ErrorContains(t, err, "f.yml:"+row.want)
			require.NotContains(t, err.Error(), ".go:")
		})
	}
}

const oneRoute = "listen: 127.0.0.1:8410\nroutes:\n  /a:\n    sign: m/sign/avanan/us\n    allow:\n      - GET /x\n"

func TestMistakesOfTheFile(t *testing.T) {
	t.Parallel()
	refuses(t, []mistaken{
		{"empty", "", "1: the file is empty"},
		{"no YAML", "a: [", "1: did not find expected node content"},
		{"no YAML, later", "listen: [x\n", "1:"},
		{"an unknown anchor", "a: &x 1\nb: *y", " unknown anchor 'y' referenced"},
		{"a list", "- a", "1: the configuration must be a mapping"},
		{"no routes", "listen: 127.0.0.1:1", "1: routes is missing"},
		{"no listen", "routes: {}", "1: listen is missing"},
		{"two documents", oneRoute + "---\na: b", "7: a second document begins here"},
		{"an unknown key", oneRoute + "metrics: a:1\nx: 1", `8: unknown key "x" in the configuration`},
		{"a key twice", oneRoute + "listen: 127.0.0.1:2", `7: "listen" is here twice: first on line 1`},
		{"a route twice", oneRoute + "  /a: {}", `7: "/a" is here twice: first on line 3`},
		{"no port", oneRoute + "metrics: 127.0.0.1", "7: metrics must be an address with a port"},
		{"a port by name", oneRoute + "metrics: :http", "7: metrics must be an address"},
		{"null", oneRoute + "metrics: ~", "7: metrics must be a text"},
		{"too little memory", oneRoute + "body_memory: 9MiB", "7: body_memory must be at least 10MiB, such as 64MiB or 1GiB"},
		{"memory, no unit", oneRoute + "body_memory: 64", "7: body_memory must be"},
		{"memory, another unit", oneRoute + "body_memory: 64 MB", "7: body_memory must be"},
		{"memory, negative", oneRoute + "body_memory: -1GiB", "7: body_memory must be"},
		{"memory, a list", oneRoute + "body_memory: []", "7: body_memory must be a text"},
		{"a mode without a socket", oneRoute + "socket_mode: 0600", "7: socket_mode is for a unix socket"},
		{"routes, empty", "listen: 127.0.0.1:1\nroutes: {}", "2: routes must have at least one"},
		{"routes, a list", "listen: 127.0.0.1:1\nroutes: [a]", "2: routes must be a mapping"},
		{"an alias", oneRoute + "  /b: &b {}\n  /c: *b", "7: route /b must have one of sign and creds"},
		{"a merge", oneRoute + "  /b: {<<: {}}", `7: unknown key "<<" in route /b`},
	})
}

func TestMistakesOfVault(t *testing.T) {
	t.Parallel()
	address := func(text string) string { return oneRoute + `vault: {address: "` + text + `"}` }
	const want = "7: address must be a URL"
	refuses(t, []mistaken{
		{"no mapping", oneRoute + "vault: x", "7: vault must be a mapping"},
		{"an unknown key", oneRoute + "vault: {token: x}", `7: unknown key "token" in vault`},
		{"no scheme", address("vault.example.com"), want},
		{"no host", address("https://"), want},
		{"another scheme", address("ftp://vault.example.com"), want},
		{"a user", address("https://a@vault.example.com"), want},
		{"no number for a port", address("https://vault.example.com:x"), want},
		{"no address", address("https://[::1"), want},
		{"a password", address("https://u:p@vault"), want},
		{"a certificate without a key", oneRoute + "vault: {client_cert: /x}", "7: client_cert and client_key"},
	})
}

func TestMistakesOfListen(t *testing.T) {
	t.Parallel()
	var rows []mistaken
	for name, listen := range map[string]string{
		"everywhere":              "0.0.0.0:8410",
		"a port alone":            ":8410",
		"a name":                  "localhost:8410",
		"another address":         "192.0.2.1:8410",
		"no port":                 "127.0.0.1",
		"everywhere, IPv6":        "[::]:1",
		"a zone":                  "[fe80::1%lo]:1",
		"IPv4 in IPv6":            "[::ffff:127.0.0.1]:1",
		"a number":                "8410",
		"a socket's name":         "unix:x",
		"a relative socket":       "unix://run/x",
		"an abstract socket":      "unix://@x",
		"a socket with dots":      "unix:///run/../x",
		"a socket that is a root": "unix:///",
		"a socket that is none":   "unix://",
		"a URL":                   "http://127.0.0.1:1",
	} {
		rows = append(rows, mistaken{name, strings.Replace(oneRoute, "127.0.0.1:8410", `"`+listen+`"`, 1), "1: listen must"})
	}
	for name, mode := range map[string]string{
		"the owner cannot write": "0400",
		"it is executed":         "0700",
		"no number":              "660x",
		"a prefix":               "0o600",
		"a blank":                "600 ",
		"a sticky bit":           "1600",
		"without the owner":      "0060",
		"negative":               "-1",
	} {
		text := strings.Replace(oneRoute, "127.0.0.1:8410", "unix:///run/x\nsocket_mode: \""+mode+`"`, 1)
		rows = append(rows, mistaken{"mode, " + name, text, "2: socket_mode must be octal"})
	}
	refuses(t, rows)
}

func TestConfigMustBeAText(t *testing.T) {
	t.Parallel()
	_, err := Parse("f.yml", []byte("listen: {}\nroutes: {}"))
	require.EqualError(t, err, "f.yml:1: listen must be a text")
}

// Vault may be reached by HTTPS, by HTTP, and by a unix socket, such as an Agent's.
func TestAddressesOfVault(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"https":    "https://vault.example.com:8200",
		"http":     "http://127.0.0.1:8200",
		"a socket": "unix:///run/vault.sock",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config, err := Parse("f", []byte("listen: 127.0.0.1:1\nvault: {address: \""+address+"\"}"+someRoutes))
			require.NoError(t, err)
			require.Equal(t, address, config.Vault.Address)
		})
	}
}

// The longest body that is read must fit.
func TestSmallestBodyMemory(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte("listen: 127.0.0.1:1\nbody_memory: 10MiB"+someRoutes))
	require.NoError(t, err)
	require.EqualValues(t, maxBuffered, config.BodyMemory)
}

func FuzzParseConfig(f *testing.F) {
	f.Add(whole)
	f.Fuzz(func(t *testing.T, text string) {
		config, err := Parse("f.yml", []byte(text))
		if err != nil {
			require.Contains(t, err.Error(), "f.yml")
			return
		}
		require.NotEmpty(t, config.Routes)
	})
}
