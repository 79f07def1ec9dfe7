package proxy

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

const signature = "YWJjZGVmZ2hpamtsbW5v+/cHFy=="

// What Vault appended to a call is taken out of an address, whatever host that names, and wherever in it the parameter
// stands. The rest stays as it is.
func TestAppendedParametersAreCut(t *testing.T) {
	t.Parallel()
	given := appended{"sig": signature, "at": "1700000000"}
	sig := "sig=" + url.QueryEscape(signature)
	for _, test := range []struct{ name, from, want string }{
		{"another host", "https://other.example/x?a=b&" + sig, "https://other.example/x?a=b"},
		{"first", "https://other.example/x?" + sig + "&a=b", "https://other.example/x?a=b"},
		{"alone", "https://other.example/x?" + sig, "https://other.example/x"},
		{"both", "/x?" + sig + "&at=1700000000", "/x"},
		{"in between", "/x?a=%41&" + sig + "&c=d%2f&at=1700000000&e", "/x?a=%41&c=d%2f&e"},
		{"after a semicolon", "/x?a=b;" + sig + ";c=d", "/x?a=b;c=d"},
		{"as a path parameter", "/x;" + sig + "/y", "/x;" + sig + "/y"}, // the line is dropped, below
		{"in a fragment", "/x?a=b#" + sig, "/x?a=b"},
		{"before a fragment", "/x?" + sig + "#top", "/x#top"},
		{"in a fragment's query", "/#/x?a=b&" + sig + "&c=d", "/#/x?a=b&c=d"},
		{
			"nested", "https://login.example/?next=" + url.QueryEscape("https://v.example/x?a=b&"+sig) + "&c=d",
			"https://login.example/?next=" + url.QueryEscape("https://v.example/x?a=b") + "&c=d",
		},
		{
			"nested, alone", "https://login.example/?next=" + url.QueryEscape("https://v.example/x?"+sig) + "&c=d",
			"https://login.example/?next=" + url.QueryEscape("https://v.example/x") + "&c=d",
		},
		{
			"nested, first", "https://login.example/?next=" + url.QueryEscape("/x?"+sig+"&a=b"),
			"https://login.example/?next=" + url.QueryEscape("/x?a=b"),
		},
		{
			"nested twice", "/l?n=" + url.QueryEscape("/m?n="+url.QueryEscape("/x?a=b&"+sig)+"&c=d"),
			"/l?n=" + url.QueryEscape("/m?n="+url.QueryEscape("/x?a=b")+"&c=d"),
		},
		{"another spelling", "/x?a=b&S%69g=" + strings.ReplaceAll(signature, "=", "%3d"), "/x?a=b"},
		{"a plus for a plus", "/x?sig=" + signature + "&a=b", "/x?a=b"},
		{"another case", "/x?sig=" + strings.ToUpper(url.QueryEscape(signature)), "/x"},
		{"without padding", "/x?sig=" + strings.TrimRight(signature, "="), "/x"},
		{
			"a link", "</x?p=2&" + sig + `>; rel="next", </x?` + sig + `&p=9>; rel="last"`,
			`</x?p=2>; rel="next", </x?p=9>; rel="last"`,
		},
		{"a refresh", "5; url='/x?" + sig + "'", "5; url='/x'"},
		{"a refresh without quotes", "5;url=/x?a=b&" + sig, "5;url=/x?a=b"},
		{"by itself", `</x>; title="` + sig + `"`, `</x>; title=""`},
		{"between separators of two kinds", "/x?a=b;" + sig + "&c=d", "/x?a=b;c=d"},
		{
			"the vendor's own", "https://storage.example/x?sig=another&at=2&a=b",
			"https://storage.example/x?sig=another&at=2&a=b",
		},
		{"nothing", "https://other.example/x?&&a=b;;%zz#?&", "https://other.example/x?&&a=b;;%zz#?&"},
		{"empty", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := cut(test.from, separator, given.is)
			require.Equal(t, test.want, got)
			require.Equal(t, test.name == "as a path parameter", given.shows(got))
		})
	}
}

// A header that still shows a value is dropped, and others stay.
func TestHeadersThatShowAValueAreDropped(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef0123456789abcdef"
	given := appended{"sig": signature, "at": "1700000000", "hex": token}
	header := http.Header{
		"Location":                    {"https://other.example/" + url.PathEscape(signature) + "/x"},
		"X-Next-Page":                 {"/x?page=2&sig=" + url.QueryEscape(signature)},
		"X-Twice":                     {strings.ToLower(signature), "1700000000"},
		"X-Short":                     {"/x?at=1700000000&a=b", "at=17"},
		"X-Json":                      {`{"self":"\/x?sig=YWJjZGVmZ2hpamtsbW5v\u002B\/cHFy"}`},
		"X-Ywjjzgvmz2hpamtsbw5v-Chfy": {"a name cannot show it"},
		"X-" + strings.ToUpper(token): {"but can show this"},
		"Link":                        {"</x?sig=" + url.QueryEscape(signature) + ">; rel=self"},
		"Content-Type":                {"text/plain"},
	}
	given.leave(header)
	want := http.Header{
		"X-Twice":                     {"1700000000"},
		"X-Short":                     {"at=17"},
		"X-Ywjjzgvmz2hpamtsbw5v-Chfy": {"a name cannot show it"},
		"Link":                        {"</x>; rel=self"},
		"Content-Type":                {"text/plain"},
	}
	require.Equal(t, want, header)
	none := http.Header{"Location": {"/x?sig=1"}, "Empty": {}}
	appended(nil).leave(none)
	require.Equal(t, http.Header{"Location": {"/x?sig=1"}, "Empty": {}}, none)
}

// No header of an answer shows the application what Vault appended.
func TestAppendedSignatureDoesNotComeBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		self := "https://other.example" + req.URL.RequestURI()
		w.Header().Set("Location", self)
		w.Header().Set("Content-Location", req.URL.RequestURI())
		w.Header().Set("Link", "<"+self+">; rel=self")
		w.Header().Set("Refresh", "0; url="+self)
		w.Header().Set("X-Echo", self)
		w.WriteHeader(http.StatusCreated)
	})
	r.stub.answer = func(_ *Route, call signing.Call) (*signing.Signed, error) {
		return &signing.Signed{
			URL:   r.vendor.URL + fmt.Sprint(call.Parameters["request_string"]) + "&sig=" + url.QueryEscape(signature),
			Query: map[string]string{"sig": signature},
		}, nil
	}
	response := r.get(t, "/avanan/us/v1.0/event/1?a=b")
	require.Equal(t, http.StatusCreated, response.StatusCode)
	require.Equal(t, "/v1.0/event/1?a=b&sig="+url.QueryEscape(signature), r.vendorGot()[0].RequestURI)
	require.Equal(t, "https://other.example/v1.0/event/1?a=b", response.Header.Get("Location"))
	require.Equal(t, "/v1.0/event/1?a=b", response.Header.Get("Content-Location"))
	require.Equal(t, "<https://other.example/v1.0/event/1?a=b>; rel=self", response.Header.Get("Link"))
	require.Equal(t, "0; url=https://other.example/v1.0/event/1?a=b", response.Header.Get("Refresh"))
	require.Empty(t, response.Header.Get("X-Echo"))
	_, _ = io.Copy(io.Discard, response.Body)
}

// Nor does an answer ahead of the answer, or a trailer.
func TestAppendedSignatureDoesNotComeBackBesideHeaders(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		self := "https://other.example" + req.URL.RequestURI()
		w.Header().Set("Link", "<"+self+">; rel=preload")
		w.Header().Set("X-Self", self)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		w.Header().Del("X-Self")
		w.Header().Set("Trailer", "X-Self, X-Sum, Location")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Self", self)
		w.Header().Set("X-Sum", "sum")
		w.Header().Set("Location", self)
		w.Header().Set(http.TrailerPrefix+"X-More", self)
	})
	r.stub.answer = func(_ *Route, call signing.Call) (*signing.Signed, error) {
		return &signing.Signed{
			URL:   r.vendor.URL + fmt.Sprint(call.Parameters["request_string"]) + "&sig=" + url.QueryEscape(signature),
			Query: map[string]string{"sig": signature},
		}, nil
	}
	hints := make(chan textproto.MIMEHeader, 1)
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, header textproto.MIMEHeader) error {
			hints <- header
			return nil
		},
	}), http.MethodGet, "http://"+r.address+"/avanan/us/v1.0/event/1?a=b", http.NoBody)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	want := textproto.MIMEHeader{"Link": {"<https://other.example/v1.0/event/1?a=b>; rel=preload"}}
	require.Equal(t, want, <-hints)
	require.Equal(t, "sum", response.Trailer.Get("X-Sum"))
	require.Equal(t, "https://other.example/v1.0/event/1?a=b", response.Trailer.Get("Location"))
	require.Empty(t, response.Trailer.Get("X-Self"))
	require.Empty(t, response.Trailer.Get("X-More"))
}

// Whatever the vendor makes of the address, no spelling of the value is left.
func FuzzAppendedValueIsNotShown(f *testing.F) {
	for _, seed := range []string{"/x?a=b&%s", "https://h/?n=%%3F%s#%s", "<%s>", "%s;%s", "/%%2525%s"} {
		f.Add(strings.ReplaceAll(seed, "%s", "sig="+url.QueryEscape(signature)))
	}
	given := appended{"sig": signature}
	f.Fuzz(func(t *testing.T, value string) {
		header := http.Header{"Location": {value}, "X-Other": {value}}
		given.leave(header)
		for _, left := range append(header["Location"], header["X-Other"]...) {
			require.False(t, given.shows(left), "%q", left)
			for range 3 {
				require.NotContains(t, left, signature)
				var err error
				if left, err = url.QueryUnescape(strings.ReplaceAll(left, "+", "%2B")); err != nil {
					break
				}
			}
		}
	})
}
