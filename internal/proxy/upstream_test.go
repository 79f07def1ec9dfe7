package proxy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// A redirect is for the client, which it leads through the proxy if it stays below the vendor's address. Vault would
// not sign a call that has the parameters that it appends.
func TestLocationLeadsThroughTheProxy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", req.Header.Get("X-Location"))
		w.WriteHeader(http.StatusFound)
	})
	ofRig := func(requestString string) *upstream {
		return wentTo(t, &signing.Signed{URL: r.vendor.URL + requestString}, requestString)
	}
	event := ofRig("/v1.0/event/1")
	api := wentTo(t, &signing.Signed{BaseURL: r.vendor.URL + "/api"}, "/v1/sessions")
	plain := wentTo(t, &signing.Signed{BaseURL: "http://vendor.example"}, "/x")
	secure := wentTo(t, &signing.Signed{BaseURL: "https://vendor.example"}, "/x")
	appended := wentTo(t, &signing.Signed{
		URL:   "https://vendor.example/x?a=b&sig=s%2B&at=1",
		Query: map[string]string{"sig": "s+", "at": "1"},
	}, "/x?a=b")
	otherScheme := strings.Replace(r.vendor.URL, "http:", "https:", 1) + "/x"
	for name, row := range map[string]struct {
		from           *upstream
		prefix         string
		location, want string
	}{
		"a path":                   {event, "/avanan/us", "/v1.0/x?a=b#c", "/avanan/us/v1.0/x?a=b#c"},
		"relative":                 {event, "/avanan/us", "x", "/avanan/us/v1.0/event/x"},
		"relative, upwards":        {event, "/avanan/us", "../x", "/avanan/us/v1.0/x"},
		"a query":                  {event, "/avanan/us", "?q=1", "/avanan/us/v1.0/event/1?q=1"},
		"absolute":                 {event, "/avanan/us", r.vendor.URL + "/v1.0/a%2Fb", "/avanan/us/v1.0/a%2Fb"},
		"absolute, without a path": {event, "/avanan/us", r.vendor.URL, "/avanan/us"},
		"without a scheme": {
			event, "/avanan/us", strings.TrimPrefix(r.vendor.URL, "http:") + "/y", "/avanan/us/y",
		},
		"elsewhere": {
			event, "/avanan/us", "https://elsewhere.example/v1.0/x", "https://elsewhere.example/v1.0/x",
		},
		"elsewhere, without a scheme":  {event, "/avanan/us", "//elsewhere.example/x", "http://elsewhere.example/x"},
		"another scheme":               {event, "/avanan/us", otherScheme, otherScheme},
		"malformed":                    {event, "/avanan/us", "%zz", "%zz"},
		"below the base":               {api, "/pave", "/api/x", "/pave/x"},
		"beside the base":              {api, "/pave", "/apix", r.vendor.URL + "/apix"},
		"above the base":               {api, "/pave", "/x", r.vendor.URL + "/x"},
		"out of the base":              {api, "/pave", r.vendor.URL + "/api/../x", r.vendor.URL + "/x"},
		"itself, after an appended":    {appended, "", "", "/x?a=b"},
		"a fragment":                   {appended, "", "#f", "/x?a=b#f"},
		"its address":                  {appended, "", "https://vendor.example/x?a=b&sig=s%2B&at=1", "/x?a=b"},
		"an appended one within":       {appended, "", "/y?sig=s%2B&c=d&at=1", "/y?c=d"},
		"an appended name, escaped":    {appended, "", "/y?s%69g=s", "/y"},
		"an appended name elsewhere":   {appended, "", "https://elsewhere.example/?at=2", "https://elsewhere.example/?at=2"},
		"between semicolons":           {appended, "", "/y?a=b;sig=another;c", "/y?a=b;c"},
		"a nested one":                 {appended, "", "/y?at=2&n=%3Fat%3D2", "/y?n=%3Fat%3D2"},
		"http's port":                  {plain, "", "http://vendor.example:80/y", "/y"},
		"another port":                 {plain, "", "http://vendor.example:443/y", "http://vendor.example:443/y"},
		"https's port":                 {secure, "", "https://vendor.example:443/y", "/y"},
		"the root, on a route of that": {secure, "", "https://vendor.example", "/"},
		"what would be another host": {
			secure, "", "https://vendor.example//evil.example/", "https://vendor.example//evil.example/",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, row.want, row.from.location(row.prefix, row.location))
			if row.from != event {
				return
			}
			response := r.get(t, "/avanan/us/v1.0/event/1", "X-Location: "+row.location+"\r\n")
			require.Equal(t, http.StatusFound, response.StatusCode, "no redirect is followed")
			require.Equal(t, row.want, response.Header.Get("Location"))
		})
	}
}

// No redirect is followed, and Location is rewritten below the base of a creds route, too.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/api/x")
		w.WriteHeader(http.StatusFound)
	})
	r.stub.say(&signing.Signed{BaseURL: r.vendor.URL + "/api"}, nil)
	require.Equal(t, "/pave/x", r.get(t, "/pave/v1/sessions").Header.Get("Location"))
	require.Len(t, r.vendorGot(), 1)
}

// wentTo is where a call goes for which Vault answered so.
func wentTo(t *testing.T, signed *signing.Signed, requestString string) *upstream {
	t.Helper()
	path, query, _ := strings.Cut(requestString, "?")
	to, err := signed.Target(&url.URL{Opaque: path, RawQuery: query})
	require.NoError(t, err)
	return upstreamOf(&http.Request{URL: to}, requestString, signed.Query)
}
