package baseurl

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://openapi.paveapi.com":           "https://openapi.paveapi.com",
		"https://openapi.paveapi.com/":          "https://openapi.paveapi.com",
		"https://gateway.example:8443/avanan//": "https://gateway.example:8443/avanan",
		"HTTPS://gateway.example":               "https://gateway.example",
		"https://10.0.0.1":                      "https://10.0.0.1",
		"http://127.0.0.1:8400":                 "http://127.0.0.1:8400",
		"http://127.9.8.7":                      "http://127.9.8.7",
		"http://[::1]:8400":                     "http://[::1]:8400",
		"http://localhost:8400":                 "http://localhost:8400",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(address)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestParseRejects(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]error{
		"":                                     errScheme,
		"smart-api-production-1-us.avanan.net": errScheme,
		"ftp://example.com":                    errScheme,
		"file:///etc/passwd":                   errScheme,
		"https://":                             errHost,
		"https://:8443":                        errHost,
		"https:example.com":                    errScheme,
		"127.0.0.1:8400":                       errScheme,
		"https:///path":                        errHost,
		"https://user@example.com":             errUserinfo,
		"https://user:canary@example.com":      errUserinfo,
		"https://@example.com":                 errUserinfo,
		"https://example.com?a=canary":         errQuery,
		"https://example.com?":                 errQuery,
		"https://example.com#canary":           errFragment,
		"https://example.com#":                 errFragment,
		"http://example.com":                   errLoopback,
		"http://127.0.0.1.example.com":         errLoopback,
		"http://localhost.example.com":         errLoopback,
		"http://128.0.0.1":                     errLoopback,
		"http://2130706433":                    errLoopback,
		"http://0.0.0.0":                       errLoopback,
		"http://[::2]":                         errLoopback,
		"https://exa mple.com":                 errCharacter,
		"https://example.com\n":                errCharacter,
		"https://example.com\x00":              errCharacter,
		"https://exämple.com":                  errCharacter,
		`https://example.com\@evil.example`:    errCharacter,
		"https://example.com:port":             errSyntax,
		"https://[::1":                         errSyntax,
		"https://example.com/%zz":              errSyntax,
	} {
		t.Run(fmt.Sprintf("%q", address), func(t *testing.T) {
			t.Parallel()
			got, err := Parse(address)
			require.ErrorIs(t, err, want)
			require.Empty(t, got)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// Parsing an accepted address again changes nothing, and a request target appended to it stays on the same host.
func FuzzParse(f *testing.F) {
	f.Add("https://openapi.paveapi.com/")
	f.Add("http://[::1]:8400")
	f.Add("https://user@example.com?#")
	f.Fuzz(func(t *testing.T, address string) {
		base, err := Parse(address)
		if err != nil {
			return
		}
		again, err := Parse(base)
		require.NoError(t, err)
		require.Equal(t, base, again)
		before, err := url.Parse(base)
		require.NoError(t, err)
		after, err := url.Parse(base + "/v1.0/scopes?a=1")
		require.NoError(t, err)
		require.Equal(t, before.Host, after.Host)
		require.True(t, strings.HasSuffix(after.Path, "/v1.0/scopes"))
		require.Equal(t, "a=1", after.RawQuery)
	})
}

func ExampleParse() {
	fmt.Println(Parse("https://openapi.paveapi.com/"))
	fmt.Println(Parse("http://openapi.paveapi.com"))
	// Output:
	// https://openapi.paveapi.com <nil>
	//  is plain http, but its host is not a loopback address
}

// An address may contain every printable character of ASCII, from ! to ~, and no character beyond them.
func TestParseAtTheLimitsOfPrintableASCII(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"!", "~"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("https://example.com/" + end)
			require.NoError(t, err)
		})
	}
	for _, end := range []string{" ", "\x1f", "\x7f", "\x80"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			t.Parallel()
			_, err := Parse("https://example.com/" + end)
			require.ErrorIs(t, err, errCharacter)
		})
	}
}
