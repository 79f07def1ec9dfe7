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
	require.Equal(t, "/v1.0/event/0", second.allow.sample())
	require.Equal(t, signing.Creds, last.kind)
	require.Empty(t, last.Send)
	_, err = Load(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSocketModeIsRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]os.FileMode{"": 0o600, "socket_mode: 0660": 0o660, `socket_mode: "0666"`: 0o666} {
		config, err := Parse("f", []byte("listen: unix:///run/apisig.sock\n"+text+"\nroutes: {/a: {creds: m/creds/pave/x, allow: [GET /]}}"))
		require.NoError(t, err)
		require.Equal(t, Address{Socket: "/run/apisig.sock", Mode: want}, config.Listen)
		require.EqualValues(t, 64<<20, config.BodyMemory)
	}
}

// Each mistake is an error with the file and the line.
func TestConfigMistakesNameFileAndLine(t *testing.T) {
	t.Parallel()
	const start = "listen: 127.0.0.1:8410\nroutes:\n  /a:\n    sign: m/sign/avanan/us\n    allow:\n      - GET /x\n"
	route := func(from, to string) string { return strings.Replace(start, from, to, 1) }
	for text, want := range map[string]string{
		"":                            "f.yml:1: the file is empty",
		"a: [":                        "f.yml:1: did not find expected node content",
		"listen: [x\n":                "f.yml:1:",
		"a: &x 1\nb: *y":              "f.yml: unknown anchor 'y' referenced",
		"- a":                         "f.yml:1: the configuration must be a mapping",
		"listen: 127.0.0.1:1":         "f.yml:1: routes is missing",
		"routes: {}":                  "f.yml:1: listen is missing",
		start + "---\na: b":           "f.yml:7: a second document begins here",
		start + "metrics: a:1\nx: 1":  `f.yml:8: unknown key "x" in the configuration`,
		start + "listen: 127.0.0.1:2": `f.yml:7: "listen" is here twice: first on line 1`,
		start + "  /a: {}":            `f.yml:7: "/a" is here twice: first on line 3`,
		start + "metrics: 127.0.0.1":  "f.yml:7: metrics must be an address with a port",
		start + "metrics: :http":      "f.yml:7: metrics must be an address",
		start + "metrics: ~":          "f.yml:7: metrics must be a text",
		start + "body_memory: 9MiB":   "f.yml:7: body_memory must be at least 10MiB, such as 64MiB or 1GiB",
		start + "body_memory: 64":     "f.yml:7: body_memory must be",
		start + "body_memory: 64 MB":  "f.yml:7: body_memory must be",
		start + "body_memory: -1GiB":  "f.yml:7: body_memory must be",
		start + "body_memory: []":     "f.yml:7: body_memory must be a text",
		start + "vault: x":            "f.yml:7: vault must be a mapping",
		start + "vault: {token: x}":   `f.yml:7: unknown key "token" in vault`,
		start + "vault: {address: vault.example.com}":               "f.yml:7: address must be a URL",
		start + "vault: {address: \"https://\"}":                    "f.yml:7: address must be a URL",
		start + "vault: {address: \"ftp://vault.example.com\"}":     "f.yml:7: address must be a URL",
		start + "vault: {address: \"https://a@vault.example.com\"}": "f.yml:7: address must be a URL",
		start + "vault: {address: \"https://vault.example.com:x\"}": "f.yml:7: address must be a URL",
		start + "vault: {address: \"https://[::1\"}":                "f.yml:7: address must be a URL",
		start + "vault: {address: \"https://u:p@vault\"}":           "f.yml:7: address must be a URL",

		start + "vault: {client_cert: /x}":                                                          "f.yml:7: client_cert and client_key",
		start + "socket_mode: 0600":                                                                 "f.yml:7: socket_mode is for a unix socket",
		start + "  /b: &b {}\n  /c: *b":                                                             "f.yml:7: route /b must have one of sign and creds",
		start + "  /b: {<<: {}}":                                                                    `f.yml:7: unknown key "<<" in route /b`,
		route("GET /x", "&x GET /x"):                                                                "f.yml:6: a pattern of allow must be a text",
		"listen: 127.0.0.1:1\nroutes: {}":                                                           "f.yml:2: routes must have at least one",
		"listen: 127.0.0.1:1\nroutes: [a]":                                                          "f.yml:2: routes must be a mapping",
		route("/a:", "a:"):                                                                          "f.yml:3: route a must begin with /",
		route("/a:", "/a/:"):                                                                        "f.yml:3: route /a/ must begin with / and not end in it",
		route("/a:", "/a//b:"):                                                                      "f.yml:3: route /a//b must",
		route("/a:", "/a/../b:"):                                                                    "f.yml:3: route /a/../b must",
		route("/a:", "/a%2fb:"):                                                                     "f.yml:3: route /a%2fb must",
		route("sign: m", "creds: m"):                                                                "f.yml:4: creds must be a path of the engine: <mount>/creds/<vendor>/<name>",
		route("m/sign/avanan/us", "m/creds/avanan/u"):                                               "f.yml:4: sign must be a path of the engine",
		route("m/sign/avanan/us", "sign/avanan/us"):                                                 "f.yml:4: sign must be a path of the engine",
		route("m/sign/avanan/us", "m/sign/avanan/.."):                                               "f.yml:4: sign must be a path of the engine",
		route("m/sign/avanan/us", "m/sign/avanan/us/batches"):                                       "f.yml:4: sign must be a path of the engine: <mount>/sign/<vendor>/<name>, or",
		route("m/sign/avanan/us", "m/sign/avanan/us/batch/batch"):                                   "f.yml:4: sign must be a path of the engine",
		route("sign: m/sign/avanan/us", "creds: m/creds/a/b/batch"):                                 "f.yml:4: creds must be a path of the engine",
		route("m/sign/avanan/us\n", "m/sign/a/b/batch\n    send: [request_string]\n"):               "f.yml:5: send is for a path that signs one call",
		route("m/sign/avanan/us", "v1/m/sign/avanan/us"):                                            "f.yml:4: sign must be without v1/, as the vault command takes it: <mount>/sign/",
		route("m/sign/avanan/us", "/v1/m/sign/avanan/us"):                                           "f.yml:4: sign must be without v1/",
		route("sign: m/sign/avanan/us", "creds: v1/m/creds/pave/x"):                                 "f.yml:4: creds must be without v1/, as the vault command takes it: <mount>/creds/",
		route("m/sign/avanan/us", "m/sign/pave/main"):                                               "f.yml:4: pave has no sign path: write creds: <mount>/creds/pave/<name>",
		route("m/sign/avanan/us", "m/sign/infinity/us/batch"):                                       "f.yml:4: infinity has no sign path: write creds: <mount>/creds/infinity/<name>",
		route("m/sign/avanan/us", "m/sign/custom/x/batch"):                                          "f.yml:4: custom has no batch path: leave out /batch",
		route("m/sign/avanan/us", "m/sign/avanan/us-"):                                              "f.yml:4: sign must be a path of the engine",
		route("m/sign/avanan/us", "m/sign/avanan/u..s"):                                             "f.yml:4: sign must be a path of the engine",
		route("m/sign/avanan/us", "m/./sign/avanan/us"):                                             "f.yml:4: sign must be a path of the engine",
		route("    allow", "    send: [request_string, method]\n    allow"):                         "f.yml:5: send can only have request_string: m/sign/avanan/us takes no other parameter",
		route("    allow", "    queries: as-sent\n    allow"):                                       "f.yml:4: m/sign/avanan/us takes no commas, so the route cannot have queries: as-sent",
		route("    allow", "    queries: encoded\n    allow"):                                       "f.yml:5: queries can only be as-sent",
		route("    allow", "    queries: [as-sent]\n    allow"):                                     "f.yml:5: queries can only be as-sent",
		route("    allow", "    paths: as-sent\n    allow"):                                         "f.yml:5: paths can only be encoded-slashes",
		route("GET /x", "GET /v1/*"):                                                                `f.yml:6: the pattern "GET /v1/*" has *, which is no wildcard here`,
		route("GET /x", "GET /a%2Fb"):                                                               `f.yml:6: no call can match the pattern "GET /a%2Fb"`,
		route("sign: m/sign/avanan/us", "x: 1"):                                                     `f.yml:4: unknown key "x" in route /a`,
		route("    allow", "    creds: m/creds/a/b\n    allow"):                                     "f.yml:3: route /a must have one of sign and creds",
		route("    allow:\n      - GET /x", "    scopes: a"):                                        "f.yml:3: route /a has no allow",
		route("\n      - GET /x", " []"):                                                            "f.yml:5: allow must be a list that is not empty",
		route("\n      - GET /x", " GET /x"):                                                        "f.yml:5: allow must be a list",
		route("    allow", "    scopes: a b\n    allow"):                                            "f.yml:5: scopes must be printable ASCII",
		route("    allow", "    send: request_string\n    allow"):                                   "f.yml:5: send must be a list",
		route("    allow", "    send: [method]\n    allow"):                                         "f.yml:5: send must have request_string",
		route("    allow", "    send: [body]\n    allow"):                                           `f.yml:5: send has "body"`,
		route("    allow", "    send: [method, method]\n    allow"):                                 "f.yml:5: send has method twice",
		"listen: 127.0.0.1:1\nroutes: {/a: {creds: m/creds/a/b,\n send: [method], allow: [GET /]}}": "f.yml:3: send is for sign",
		route("GET /x", "/x"):                                                                       `f.yml:6: the pattern "/x" must have a method and a path`,
		route("GET /x", "get /x"):                                                                   `f.yml:6: the pattern "get /x" must have a method`,
		route("GET /x", "GET example.com/x"):                                                        `f.yml:6: the pattern "GET example.com/x" must have a path that begins with /, and no host`,
		route("GET /x", "CONNECT /x"):                                                               `f.yml:6: the pattern "CONNECT /x" has a method that is always refused`,
		route("GET /x", "TRACE /x"):                                                                 `f.yml:6: the pattern "TRACE /x" has a method that is always refused`,
		route("GET /x", "GET /{"):                                                                   `f.yml:6: the pattern "GET /{" is malformed: at offset`,
		route("GET /x", "GET /a//b"):                                                                `f.yml:6: the pattern "GET /a//b" is malformed`,
		route("GET /x", "GET /{a}/{a}"):                                                             `f.yml:6: the pattern "GET /{a}/{a}" is malformed`,
		start + "      - GET /x":                                                                    `f.yml:7: the pattern "GET /x" conflicts with "GET /x"`,
		start + "      - GET /y\n      - GET /{a}/b\n      - GET /c/{d}":                            `f.yml:9: the pattern "GET /c/{d}" conflicts with "GET /{a}/b"`,
		start + "      - {a: b}":                                                                    "f.yml:7: a pattern of allow must be a text",
	} {
		_, err := Parse("f.yml", []byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), ".go:", text)
	}
	for _, listen := range []string{
		"0.0.0.0:8410", ":8410", "localhost:8410", "192.0.2.1:8410", "127.0.0.1", "[::]:1", "[fe80::1%lo]:1", "[::ffff:127.0.0.1]:1", "8410", "unix:x",
		"unix://run/x", "unix://@x", "unix:///run/../x", "unix:///", "unix://", "http://127.0.0.1:1",
	} {
		_, err := Parse("f.yml", []byte(strings.Replace(start, "127.0.0.1:8410", `"`+listen+`"`, 1)))
		require.ErrorContains(t, err, "f.yml:1: listen must", listen)
	}
	for _, mode := range []string{"0400", "0700", "660x", "0o600", "600 ", "1600", "0060", "-1"} {
		_, err := Parse("f.yml", []byte(strings.Replace(start, "127.0.0.1:8410", "unix:///run/x\nsocket_mode: \""+mode+`"`, 1)))
		require.ErrorContains(t, err, "f.yml:2: socket_mode must be octal", mode)
	}
}

// What may work is not refused: other vendors, whose paths a later engine may have, and a Vault on a socket.
func TestConfigPassesWhatMayWork(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a vendor to come":         "{sign: m/sign/other/us, queries: as-sent, send: [request_string, method], allow: [GET /]}",
		"a vendor to come's batch": "{sign: m/sign/other/us/batch, allow: [GET /]}",
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
	for _, address := range []string{"https://vault.example.com:8200", "http://127.0.0.1:8200", "unix:///run/vault.sock"} {
		config, err := Parse("f", []byte("listen: 127.0.0.1:1\nvault: {address: \""+address+"\"}\nroutes: {/a: {creds: m/creds/pave/x, allow: [GET /]}}"))
		require.NoError(t, err)
		require.Equal(t, address, config.Vault.Address)
	}
}

// The longest body that is read must fit.
func TestSmallestBodyMemory(t *testing.T) {
	t.Parallel()
	config, err := Parse("f", []byte("listen: 127.0.0.1:1\nbody_memory: 10MiB\nroutes: {/a: {creds: m/creds/pave/x, allow: [GET /]}}"))
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
	for path, want := range map[string][2]string{
		"/a": {"/a", ""}, "/a/": {"/a", "/"}, "/a/x": {"/a", "/x"}, "/a/bc/x": {"/a", "/bc/x"}, "/a/b/x": {"/a/b", "/x"}, "/a/b/c/x": {"/a/b/c", "/x"},
		"/a/b//c": {"/a/b", "//c"}, "/ab": {}, "/": {}, "": {}, "/A/x": {}, "/%61/x": {},
	} {
		route, rest := find(config.Routes, path)
		if want[0] == "" {
			require.Nil(t, route, path)
			continue
		}
		require.Equal(t, want, [2]string{route.Name(), rest}, path)
	}
	config, err = Parse("f", []byte(whole))
	require.NoError(t, err)
	route, rest := find(config.Routes, "/v1/x")
	require.Equal(t, [2]string{"/", "/v1/x"}, [2]string{route.Name(), rest})
}
