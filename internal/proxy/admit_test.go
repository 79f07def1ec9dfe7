package proxy

import (
	"net/http"
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
		"commas and semicolons":         {"/camera/axis-cgi/com/ptz.cgi?continuouspantiltmove=-25,0;x=1,,;&y", 200, "/axis-cgi/com/ptz.cgi?continuouspantiltmove=-25,0;x=1,,;&y"},
		"only commas":                   {"/camera/axis-cgi/com/ptz.cgi?,", 200, "/axis-cgi/com/ptz.cgi?,"},
		"no query":                      {"/camera/axis-cgi/com/ptz.cgi", 200, "/axis-cgi/com/ptz.cgi"},
		"on a creds route":              {"/pave/v1/x?a=1,2;b", 200, "/v1/x?a=1,2;b"},
		"without the option, a comma":   {"/strict/v1/x?a=1,2", 400, ""},
		"without it, a semicolon":       {"/strict/v1/x?a=1;b", 400, ""},
		"a comma in a path":             {"/camera/axis-cgi/com/ptz.cgi,x?a", 403, ""},
		"a semicolon in a path":         {"/camera/axis-cgi/com/ptz.cgi;x?a", 403, ""},
		"an empty query":                {"/camera/axis-cgi/com/ptz.cgi?", 400, ""},
		"a broken escape":               {"/camera/axis-cgi/com/ptz.cgi?a=%2,0", 400, ""},
		"a fragment":                    {"/camera/axis-cgi/com/ptz.cgi?a=1,0#b", 400, ""},
		"an encoded slash":              {"/projects/v4/projects/group%2Fproject/issues?a=b%2Fc", 200, "/v4/projects/group%2Fproject/issues?a=b%2Fc"},
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
