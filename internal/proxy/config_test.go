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

func TestMistakesOfARoute(t *testing.T) {
	t.Parallel()
	route := func(from, to string) string { return strings.Replace(oneRoute, from, to, 1) }
	path := func(to string) string { return route("m/sign/avanan/us", to) }
	creds := func(to string) string { return route("sign: m/sign/avanan/us", "creds: "+to) }
	with := func(line string) string { return route("    allow", "    "+line+"\n    allow") }
	refuses(t, []mistaken{
		{"a prefix without a slash", route("/a:", "a:"), "3: route a must begin with /"},
		{"a slash at the end", route("/a:", "/a/:"), "3: route /a/ must begin with / and not end in it"},
		{"two slashes", route("/a:", "/a//b:"), "3: route /a//b must"},
		{"dots in a prefix", route("/a:", "/a/../b:"), "3: route /a/../b must"},
		{"an escape in a prefix", route("/a:", "/a%2fb:"), "3: route /a%2fb must"},
		{"neither sign nor creds", route("sign: m/sign/avanan/us", "x: 1"), `4: unknown key "x" in route /a`},
		{"both", with("creds: m/creds/a/b"), "3: route /a must have one of sign and creds"},
		{
			"a sign path for creds", route("sign: m", "creds: m"),
			"4: creds must be a path of the engine: <mount>/creds/<vendor>/<name>",
		},
		{"a creds path for sign", path("m/creds/avanan/u"), "4: sign must be a path of the engine"},
		{"no mount", path("sign/avanan/us"), "4: sign must be a path of the engine"},
		{"dots for a name", path("m/sign/avanan/.."), "4: sign must be a path of the engine"},
		{
			"no batch path", path("m/sign/avanan/us/batches"),
			"4: sign must be a path of the engine: <mount>/sign/<vendor>/<name>, or",
		},
		{"batch twice", path("m/sign/avanan/us/batch/batch"), "4: sign must be a path of the engine"},
		{"a batch of creds", creds("m/creds/a/b/batch"), "4: creds must be a path of the engine"},
		{"a name that ends in a dash", path("m/sign/avanan/us-"), "4: sign must be a path of the engine"},
		{"dots in a name", path("m/sign/avanan/u..s"), "4: sign must be a path of the engine"},
		{"a dot in a mount", path("m/./sign/avanan/us"), "4: sign must be a path of the engine"},
		{"v1", path("v1/m/sign/avanan/us"), "4: sign must be without v1/, as the vault command takes it: <mount>/sign/"},
		{"v1 after a slash", path("/v1/m/sign/avanan/us"), "4: sign must be without v1/"},
		{
			"v1 for creds", creds("v1/m/creds/pave/x"),
			"4: creds must be without v1/, as the vault command takes it: <mount>/creds/",
		},
		{
			"no sign path", path("m/sign/pave/main"),
			"4: pave has no sign path: write creds: <mount>/creds/pave/<name>",
		},
		{
			"no sign path, a batch", path("m/sign/infinity/us/batch"),
			"4: infinity has no sign path: write creds: <mount>/creds/infinity/<name>",
		},
		{
			"a parameter too many", with("send: [request_string, method]"),
			"5: send can only have request_string: m/sign/avanan/us takes no other parameter",
		},
		{
			"commas that are not signed", with("queries: as-sent"),
			"4: m/sign/avanan/us takes no commas, so the route cannot have queries: as-sent",
		},
		{"queries, another value", with("queries: encoded"), "5: queries can only be as-sent"},
		{"queries, a list", with("queries: [as-sent]"), "5: queries can only be as-sent"},
		{"paths, another value", with("paths: as-sent"), "5: paths can only be encoded-slashes"},
		{"scopes with a space", with("scopes: a b"), "5: scopes must be printable ASCII"},
		{"send, a text", with("send: request_string"), "5: send must be a list"},
		{"send without the path", with("send: [method]"), "5: send must have request_string"},
		{"send, an unknown name", with("send: [header]"), `5: send has "header": it can have method, request_string, body`},
		{"send, twice", with("send: [method, method]"), "5: send has method twice"},
		{
			"a parameter too many for a batch", path("m/sign/avanan/us/batch\n    send: [request_string, method]"),
			"5: send can only have request_string: m/sign/avanan/us/batch takes no other parameter",
		},
		{
			"send for creds", creds("m/creds/a/b\n    send: [method]"),
			"5: send is for sign: a creds path takes no parameters",
		},
	})
}

func TestMistakesOfAllow(t *testing.T) {
	t.Parallel()
	pattern := func(to string) string { return strings.Replace(oneRoute, "GET /x", to, 1) }
	allow := func(from, to string) string { return strings.Replace(oneRoute, from, to, 1) }
	refuses(t, []mistaken{
		{"none", allow("    allow:\n      - GET /x", "    scopes: a"), "3: route /a has no allow"},
		{"empty", allow("\n      - GET /x", " []"), "5: allow must be a list that is not empty"},
		{"a text", allow("\n      - GET /x", " GET /x"), "5: allow must be a list"},
		{"an anchor", pattern("&x GET /x"), "6: a pattern of allow must be a text"},
		{"a mapping", oneRoute + "      - {a: b}", "7: a pattern of allow must be a text"},
		{"a star", pattern("GET /v1/*"), `6: the pattern "GET /v1/*" has *, which is no wildcard here`},
		{"an encoded slash", pattern("GET /a%2Fb"), `6: no call can match the pattern "GET /a%2Fb"`},
		{"no method", pattern("/x"), `6: the pattern "/x" must have a method and a path`},
		{"a small method", pattern("get /x"), `6: the pattern "get /x" must have a method`},
		{
			"a host", pattern("GET example.com/x"),
			`6: the pattern "GET example.com/x" must have a path that begins with /, and no host`,
		},
		{"CONNECT", pattern("CONNECT /x"), `6: the pattern "CONNECT /x" has a method that is always refused`},
		{"TRACE", pattern("TRACE /x"), `6: the pattern "TRACE /x" has a method that is always refused`},
		{"half a wildcard", pattern("GET /{"), `6: the pattern "GET /{" is malformed: at offset`},
		{"two slashes", pattern("GET /a//b"), `6: the pattern "GET /a//b" is malformed`},
		{"a name twice", pattern("GET /{a}/{a}"), `6: the pattern "GET /{a}/{a}" is malformed`},
		{"twice", oneRoute + "      - GET /x", `7: the pattern "GET /x" conflicts with "GET /x"`},
		{
			"a conflict", oneRoute + "      - GET /y\n      - GET /{a}/b\n      - GET /c/{d}",
			`9: the pattern "GET /c/{d}" conflicts with "GET /{a}/b"`,
		},
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

// What may work is not refused: other vendors, whose paths a later engine may have, and a Vault on a socket.
func TestConfigPassesWhatMayWork(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a vendor to come": "{sign: m/sign/other/us, queries: as-sent, send: [request_string, method], " +
			"allow: [GET /]}",
		"a vendor to come's batch": "{sign: m/sign/other/us/batch, allow: [GET /]}",
		"a batch of any inputs":    "{sign: m/sign/custom/x/batch, send: [request_string, body_sha256], allow: [GET /]}",
		"a config named batch":     "{sign: m/sign/custom/batch, queries: as-sent, allow: [GET /]}",
		"a mount named sign":       "{sign: sign/sign/avanan/us/batch, paths: encoded-slashes, allow: [GET /]}",
		"a mount named like v1":    "{sign: v1.0/sign/avanan/us, allow: [GET /]}",
		"queries of creds":         "{creds: m/creds/pave/main, queries: as-sent, paths: encoded-slashes, allow: [GET /]}",
		"one letter":               "{creds: m/creds/pave/x, allow: [GET /]}",
		"a Vault on a socket":      "{creds: m/creds/pave/x, allow: [GET /]}\nvault: {address: \"unix:///run/vault.sock\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f.yml", []byte("listen: 127.0.0.1:1\nroutes:\n  /a: "+text))
			require.NoError(t, err)
		})
	}
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

// The longest prefix that ends where a segment does is the route.
func TestLongestPrefixAtSegmentBoundaryIsTheRoute(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte("listen: 127.0.0.1:1\nroutes:\n  /a: &r {creds: m/creds/x/y, allow: [GET /]}\n"+
		"  /a/b: {creds: m/creds/x/y, allow: [GET /]}\n  /a/b/c: {creds: m/creds/x/y, allow: [GET /]}"))
	require.NoError(t, err)
	for name, row := range map[string]struct{ path, route, rest string }{
		"the prefix":             {"/a", "/a", ""},
		"and a slash":            {"/a/", "/a", "/"},
		"below it":               {"/a/x", "/a", "/x"},
		"a longer segment":       {"/a/bc/x", "/a", "/bc/x"},
		"a longer prefix":        {"/a/b/x", "/a/b", "/x"},
		"the longest":            {"/a/b/c/x", "/a/b/c", "/x"},
		"an empty segment":       {"/a/b//c", "/a/b", "//c"},
		"a longer first segment": {"/ab", "", ""},
		"the root":               {"/", "", ""},
		"nothing":                {"", "", ""},
		"another case":           {"/A/x", "", ""},
		"another spelling":       {"/%61/x", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			route, rest := find(config.Routes, row.path)
			if row.route == "" {
				require.Nil(t, route)
				return
			}
			require.Equal(t, row.route, route.Name())
			require.Equal(t, row.rest, rest)
		})
	}
}

// A route for / has all paths that no other has.
func TestRootRouteHasTheOtherPaths(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte(whole))
	require.NoError(t, err)
	route, rest := find(config.Routes, "/v1/x")
	require.Equal(t, [2]string{"/", "/v1/x"}, [2]string{route.Name(), rest})
}
