package signing

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A call without a host goes to HTTPS, or to HTTP, at an address that names a host and a path, and nothing else.
func TestAddressesOfTheVendor(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		base  string
		valid bool
	}{
		"https":                    {"https://vendor.example", true},
		"http, a port and a path":  {"http://127.0.0.1:1/base", true},
		"another scheme":           {"ftp://vendor.example", false},
		"a web socket":             {"wss://vendor.example", false},
		"no scheme":                {"vendor.example", false},
		"no host":                  {"https://", false},
		"no host, a path":          {"https:///x", false},
		"a query":                  {"https://vendor.example?x", false},
		"a fragment":               {"https://vendor.example#x", false},
		"a user":                   {"https://u:p@vendor.example", false},
		"no number for a port":     {"https://vendor.example:x", false},
		"a path that is an origin": {"https://vendor.example//x", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to, err := (&Signed{BaseURL: row.base}).Target(&url.URL{Opaque: "/p%7e", RawQuery: "q"})
			if !row.valid {
				require.EqualError(t, err, "no valid url or base_url in Vault's answer")
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.base+"/p%7e?q", to.Scheme+"://"+to.Host+to.Opaque+"?"+to.RawQuery)
		})
	}
}

// A call goes nowhere but where the answer says. Only one without a host leaves it to the answer where the API is.
func TestTargetIsWhereTheAnswerSays(t *testing.T) {
	t.Parallel()
	const vendor = "https://vendor.example"
	for name, row := range map[string]struct {
		address string // an absolute URL, or a path and query
		signed  Signed
		want    string // "": refused
	}{
		"signed":                    {vendor + "/a?b", Signed{URL: vendor + "/a?b"}, vendor + "/a?b"},
		"signed, without a path":    {vendor, Signed{URL: vendor + "/"}, vendor},
		"signed, with its base":     {vendor + "/a", Signed{URL: vendor + "/a", BaseURL: vendor + "/"}, vendor + "/a"},
		"signed for another base":   {vendor + "/a", Signed{URL: vendor + "/a", BaseURL: "https://other.example"}, ""},
		"signed for another host":   {vendor + "/a", Signed{URL: "https://other.example/a"}, ""},
		"signed for another scheme": {vendor + "/a", Signed{URL: "http://vendor.example/a"}, ""},
		"signed for another path":   {vendor + "/a", Signed{URL: vendor + "/b/a"}, ""},
		"signed for another query":  {vendor + "/a?b", Signed{URL: vendor + "/a?B"}, ""},
		"signed, with a user":       {"https://u:p@vendor.example/a", Signed{URL: vendor + "/a"}, ""},
		"appended": {
			vendor + "/a", Signed{URL: vendor + "/a?s=x", Query: map[string]string{"s": "x"}}, vendor + "/a?s=x",
		},
		"appended, for another host": {
			vendor + "/a", Signed{URL: "https://other.example/a?s=x", Query: map[string]string{"s": "x"}}, "",
		},
		"appended, and an empty one": {
			vendor + "/a", Signed{URL: vendor + "/a?s=x&", Query: map[string]string{"s": "x"}}, "",
		},
		"below the base":           {vendor + "/api/a", Signed{BaseURL: vendor + "/api/"}, vendor + "/api/a"},
		"above the base":           {vendor + "/a", Signed{BaseURL: vendor + "/api"}, ""},
		"out of the base":          {vendor + "/api/../a", Signed{BaseURL: vendor + "/api"}, ""},
		"another case of the host": {"https://VENDOR.example/a", Signed{BaseURL: vendor}, "https://VENDOR.example/a"},
		"without a host":           {"/a?b", Signed{URL: vendor + "/api/a?b"}, vendor + "/api/a?b"},
		"without a host, below":    {"/a?b", Signed{BaseURL: vendor + "/api/"}, vendor + "/api/a?b"},
		"without a host, appended": {
			"/a?b", Signed{URL: vendor + "/a?b&s=x%2F", Query: map[string]string{"s": "x/"}}, vendor + "/a?b&s=x%2F",
		},
		"without a host, for another": {"/a?b", Signed{URL: vendor + "/a?c"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, err := url.Parse(row.address)
			require.NoError(t, err)
			if address.Host == "" {
				path, query, _ := strings.Cut(row.address, "?")
				address = &url.URL{Opaque: path, RawQuery: query}
			}
			to, err := row.signed.Target(address)
			if row.want == "" {
				var other *TargetError
				require.ErrorAs(t, err, &other)
				require.NotContains(t, err.Error(), "example")
				return
			}
			require.NoError(t, err)
			if to.Opaque != "" {
				require.Equal(t, row.want, to.Scheme+"://"+to.Host+to.RequestURI())
				return
			}
			require.Equal(t, row.want, to.String())
		})
	}
}
