package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
