package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const routesWithOptions = `

listen: 127.0.0.1:1
routes:
  /camera:
    sign: apisig/sign/custom/camera
    queries: as-sent
    allow: [GET /axis-cgi/com/ptz.cgi]
  /projects:
    sign: apisig/sign/custom/projects
    paths: encoded-slashes
    allow: ["GET /v4/projects/{id}/issues", "GET /v4/admin"]
  /pave:
    creds: apisig/creds/pave/main
    queries: as-sent
    paths: encoded-slashes
    allow: ["GET /v1/{id}"]
  /strict:
    sign: apisig/sign/custom/strict
    allow: ["GET /v1/{id}"]
`

// What a route's options admit is signed and sent byte for byte. On other routes, and all else, is refused as before.
func TestOptionsOfARouteAdmitBytesAsSent(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		target string
		want   int
		sent   string // to the vendor, where it passes
	}{
		"commas and semicolons": {
			"/camera/axis-cgi/com/ptz.cgi?continuouspantiltmove=-25,0;x=1,,;&y", 200,
			"/axis-cgi/com/ptz.cgi?continuouspantiltmove=-25,0;x=1,,;&y",
		},
		"only commas":                 {"/camera/axis-cgi/com/ptz.cgi?,", 200, "/axis-cgi/com/ptz.cgi?,"},
		"no query":                    {"/camera/axis-cgi/com/ptz.cgi", 200, "/axis-cgi/com/ptz.cgi"},
		"on a creds route":            {"/pave/v1/x?a=1,2;b", 200, "/v1/x?a=1,2;b"},
		"without the option, a comma": {"/strict/v1/x?a=1,2", 400, ""},
		"without it, a semicolon":     {"/strict/v1/x?a=1;b", 400, ""},
		"a comma in a path":           {"/camera/axis-cgi/com/ptz.cgi,x?a", 403, ""},
		"a semicolon in a path":       {"/camera/axis-cgi/com/ptz.cgi;x?a", 403, ""},
		"an empty query":              {"/camera/axis-cgi/com/ptz.cgi?", 400, ""},
		"a broken escape":             {"/camera/axis-cgi/com/ptz.cgi?a=%2,0", 400, ""},
		"a fragment":                  {"/camera/axis-cgi/com/ptz.cgi?a=1,0#b", 400, ""},
		"an encoded slash": {
			"/projects/v4/projects/group%2Fproject/issues?a=b%2Fc", 200, "/v4/projects/group%2Fproject/issues?a=b%2Fc",
		},
		"in small letters":              {"/projects/v4/projects/a%2fb%2fc/issues", 200, "/v4/projects/a%2fb%2fc/issues"},
		"on a creds route, a slash":     {"/pave/v1/a%2Fb", 200, "/v1/a%2Fb"},
		"beside a raw quote":            {`/projects/v4/projects/a%2Fb"/issues`, 200, `/v4/projects/a%2Fb"/issues`},
		"without the option, a slash":   {"/strict/v1/a%2Fb", 403, ""},
		"it separates no segments":      {"/projects/v4%2Fadmin", 403, ""},
		"a segment more":                {"/projects/v4/projects/a%2Fb/c/issues", 403, ""},
		"in a route's prefix":           {"/projects%2Fv4/admin", 404, ""},
		"dots behind it":                {"/projects/v4/projects/a%2F..%2F..%2Fadmin/issues", 403, ""},
		"a dot before it":               {"/projects/v4/projects/.%2Fa/issues", 403, ""},
		"two of them":                   {"/projects/v4/projects/a%2F%2Fb/issues", 403, ""},
		"one behind a slash":            {"/projects/v4/projects/%2Fadmin/issues", 403, ""},
		"one before a slash":            {"/projects/v4/projects/a%2f/issues", 403, ""},
		"encoded twice":                 {"/projects/v4/projects/a%252Fb/issues", 403, ""},
		"a backslash":                   {"/projects/v4/projects/a%5Cb/issues", 403, ""},
		"a dot":                         {"/projects/v4/projects/a%2Eb/issues", 403, ""},
		"a semicolon beside it":         {"/projects/v4/projects/a%2Fb;c/issues", 403, ""},
		"a query without queries":       {"/projects/v4/projects/a%2Fb/issues?a,b", 400, ""},
		"a half of it":                  {"/projects/v4/projects/a%2/issues", 400, ""},
		"a slash at the end of a call":  {"/pave/v1/a%2F", 200, "/v1/a%2F"},
		"an encoded slash, and nothing": {"/pave/v1/%2F", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			config, err := Parse("f.yml", []byte(routesWithOptions))
			require.NoError(t, err)
			r.Use(config, r.stub)
			require.Equal(t, row.want, r.get(t, row.target).StatusCode)
			if row.want != http.StatusOK {
				require.Empty(t, r.vendorGot())
				require.Empty(t, r.stub.seen())
				return
			}
			require.Equal(t, row.sent, r.vendorGot()[0].RequestURI)
			if signed, is := r.stub.seen()[0].Parameters["request_string"]; is {
				require.Equal(t, row.sent, signed)
			}
		})
	}
}

// Each of these tries to leave the allow list, or to reach the proxy from a web page. None reaches the vendor, and none
// is signed.
func TestTricksDoNotReachTheVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	port := r.address[strings.LastIndex(r.address, ":"):]
	const event = "/avanan/us/v1.0/event/"
	long := strings.Repeat("a", 9000)
	tricks := []struct {
		name, line string // of the request
		want       int
	}{
		{"an empty segment", "GET " + event, 403},
		{"a segment less", "GET /avanan/us/v1.0/event", 403},
		{"a slash at the end", "GET " + event + "1/", 403},
		{"a segment more", "GET " + event + "1/2", 403},
		{"another path", "GET /avanan/us/v1.0/events/1", 403},
		{"the route alone", "GET /avanan/us", 403},
		{"the route and a slash", "GET /avanan/us/", 403},
		{"the path in the query", "GET /avanan/us?/v1.0/event/1", 403},
		{"the route and no slash", "GET /avanan/usv1.0/event/1", 404},
		{"an encoded slash after the route", "GET /avanan/us%2Fv1.0/event/1", 404},
		{"the root", "GET /", 404},
		{"no route", "GET /v1.0/event/1", 404},
		{"another case of the route", "GET /AVANAN/us/v1.0/event/1", 404},
		{"two slashes first", "GET //avanan/us/v1.0/event/1", 404},
		{"dots before the route", "GET /x/../avanan/us/v1.0/event/1", 404},
		{"DELETE", "DELETE " + event + "1", 403},
		{"PUT", "PUT " + event + "1", 403},
		{"POST", "POST " + event + "1", 403},
		{"OPTIONS", "OPTIONS " + event + "1", 403},
		{"PATCH", "PATCH " + event + "query", 403},
		{"another case of the method", "get " + event + "1", 403},
		{"a longer method", "GET2 " + event + "1", 403},
		{"a method of WebDAV's", "PROPFIND " + event + "1", 403},
		{"HEAD of what is not allowed", "HEAD /avanan/us/v1.0/action", 403},
		{"CONNECT with a path", "CONNECT " + event + "1", 403},
		{"TRACE", "TRACE " + event + "1", 403},
		{"CONNECT", "CONNECT vendor.example:443", 403},
		{"OPTIONS of the server", "OPTIONS *", 403},
		{"an absolute address", "GET http://vendor.example/avanan/us/v1.0/event/1", 403},
		{"its own absolute address", "GET http://" + r.address + event + "1", 403},
		{"the same, by https", "GET https://" + r.address + event + "1", 403},
		{"dots", "GET " + event + "../action", 403},
		{"dots at the end", "GET " + event + "..", 403},
		{"encoded dots", "GET " + event + "%2e%2e/action", 403},
		{"encoded dots at the end", "GET " + event + "%2E%2e", 403},
		{"an encoded dot", "GET " + event + "1%2e", 403},
		{"encoded slashes and dots", "GET " + event + "a%2F..%2F..%2Faction", 403},
		{"an encoded slash", "GET " + event + "a%2faction", 403},
		{"encoded backslashes and dots", "GET " + event + "a%5C..%5Caction", 403},
		{"a backslash and dots", `GET ` + event + `..\action`, 403},
		{"dots, encoded twice", "GET " + event + "%252e%252e", 403},
		{"an encoded percent", "GET " + event + "%25", 403},
		{"dots and a parameter", "GET " + event + "..;/action", 403},
		{"a parameter of a path", "GET " + event + "1;a=b", 403},
		{"an escape of IIS's", "GET " + event + "%u002e", 400},
		{"an empty segment after the route", "GET /avanan/us//v1.0/event/1", 403},
		{"an empty segment within", "GET /avanan/us/v1.0//event/1", 403},
		{"an empty segment at the end", "GET " + event + "1//", 403},
		{"a dot after the route", "GET /avanan/us/./v1.0/event/1", 403},
		{"a null byte", "GET " + event + "a%00b", 403},
		{"a line break", "GET " + event + "a%0d%0aHost:x", 403},
		{"a control character", "GET " + event + "a%7f", 403},
		{"dots, overlong in UTF-8", "GET " + event + "%c0%ae%c0%ae", 403},
		{"no UTF-8", "GET " + event + "%ff", 403},
		{"a fragment", "GET " + event + "1#/../x", 403},
		{"a comma", "GET " + event + "a,b", 403},
		{"no escape", "GET " + event + "%zz", 400},
		{"a percent", "GET " + event + "1%", 400},
		{"an empty query", "GET " + event + "1?", 400},
		{"a semicolon in a query", "GET " + event + "1?a;b", 400},
		{"a semicolon between parameters", "GET " + event + "1?a=1;c=2", 400},
		{"a percent in a query", "GET " + event + "1?a=%", 400},
		{"no escape in a query", "GET " + event + "1?a=%z1", 400},
		{"half an escape in a query", "GET " + event + "1?a=%1z", 400},
		{"an escape of IIS's in a query", "GET " + event + "1?%u0041", 400},
		{"a comma in a query", "GET " + event + "1?a=b,c", 400},
		{"a fragment after a query", "GET " + event + "1?a#b", 400},
		{"a backslash in a query", `GET ` + event + `1?a\b`, 400},
		{"not ASCII", "GET " + event + "ü", 403},
		{"not ASCII in a query", "GET " + event + "1?ü", 400},
		{"too long a path", "GET " + event + long, 400},
		{"too long a query", "GET " + event + "1?" + long, 400},
		{"dots below a wildcard", "GET /avanan/us/v1.0/files/../event", 403},
		{"encoded dots below a wildcard", "GET /avanan/us/v1.0/files/a/%2e%2e/b", 403},
		{"an empty segment below a wildcard", "GET /avanan/us/v1.0/files//a", 403},
		{"nothing below a wildcard", "GET /avanan/us/v1.0/files", 403},
		{"creds, another path", "GET /pave/v1/callbacks", 403},
		{"creds, a slash at the end", "GET /pave/v1/sessions/", 403},
		{"creds, another method", "DELETE /pave/v1/sessions", 403},
		{"creds, without the end", "GET /pave/v1", 403},
		{"creds, dots", "GET /pave/../pave/v1/callbacks", 403},
	}
	headers := []struct {
		name, lines string // of an allowed call
		want        int
	}{
		{"an origin", "Origin: https://evil.example\r\n", 403},
		{"a null origin", "Origin: null\r\n", 403},
		{"a page of another site", "Sec-Fetch-Site: cross-site\r\n", 403},
		{"a page of the same origin", "Sec-Fetch-Site: same-origin\r\n", 403},
		{"two sites", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n", 403},
		{"a web socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 403},
		{"an upgrade to HTTP/2", "Upgrade: h2c\r\n", 403},
		{"an upgrade in a list", "Connection: keep-alive, UPGRADE\r\n", 403},
		{"a second Host", "Host: evil.example\r\n", 400},
	}
	hosts := map[string]string{
		"another name":            "evil.example",
		"another name and a port": "evil.example:8410",
		"localhost without port":  "localhost",
		"an address without port": "127.0.0.1",
		"another port":            "localhost:1",
		"another loopback":        "127.0.0.2" + port,
		"a dot after the port":    r.address + ".",
		"a dot after the name":    "localhost." + port,
		"nothing":                 "",
		"IPv6":                    "[::1]" + port,
	}
	require.GreaterOrEqual(t, len(tricks)+len(headers), 40)
	t.Cleanup(func() { // after all of them
		require.Empty(t, r.vendorGot())
		require.Empty(t, r.stub.seen())
		require.Equal(t, http.StatusOK, r.get(t, event+"1").StatusCode, "the rig works")
	})
	for _, row := range tricks {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, r.raw(t, row.line+" HTTP/1.1\r\nHost: "+r.address+"\r\n\r\n").StatusCode)
		})
	}
	for _, row := range headers {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, r.get(t, event+"1", row.lines).StatusCode)
		})
	}
	for name, host := range hosts {
		t.Run("Host, "+name, func(t *testing.T) {
			t.Parallel()
			response := r.raw(t, "GET "+event+"1 HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
			require.Equal(t, http.StatusForbidden, response.StatusCode)
		})
	}
	t.Run("no Host", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusForbidden, r.raw(t, "GET "+event+"1 HTTP/1.0\r\n\r\n").StatusCode)
	})
}

// What the matcher and the vendor may read in different ways is refused before it is matched, and so are these methods.
func TestRefusalsComeBeforeMatching(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	const escapes, methods = "%2F, %5C, %25, %2E or ;", "CONNECT and TRACE are refused"
	for name, row := range map[string]struct{ method, id, want string }{
		"an encoded slash":      {http.MethodGet, "a%2Fb", escapes},
		"in small letters":      {http.MethodGet, "a%2fb", escapes},
		"an encoded backslash":  {http.MethodGet, "a%5Cb", escapes},
		"an encoded percent":    {http.MethodGet, "a%25b", escapes},
		"an encoded dot":        {http.MethodGet, "a%2eb", escapes},
		"a parameter of a path": {http.MethodGet, "a;b", escapes},
		"CONNECT":               {http.MethodConnect, "1", methods},
		"TRACE":                 {http.MethodTrace, "1", methods},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := row.method + " /avanan/us/v1.0/event/" + row.id + " HTTP/1.1\r\nHost: " + r.address
			require.Contains(t, problemOf(t, r.raw(t, line+"\r\n\r\n")).Detail, row.want)
		})
	}
}
