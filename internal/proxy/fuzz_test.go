package proxy

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What passes stays below the pattern's prefix, however it is decoded and cleaned, and is the client's bytes.
func FuzzAdmittedPathStaysBelowItsPrefix(f *testing.F) {
	for _, seed := range []string{
		"/r/v1.0/event/1?a=b", "/r/v1.0/event/..%2f", "/r/v1.0/event/%2e%2e/x", "/r/v1.0/event/a;b", "/r/v1.0/event/1?a;b",
		"/r//", "/R/x", "/r/v1.0/event/a%2Fb?a,b;c",
	} {
		f.Add(seed)
	}
	var routes [][]*Route
	for _, options := range []string{"", "paths: encoded-slashes, queries: as-sent, "} {
		config, err := Parse("f", []byte("listen: 127.0.0.1:1\nroutes: {/r: {sign: m/sign/custom/x, "+options+
			"allow: [\"GET /v1.0/event/{rest...}\"]}}"))
		if err != nil {
			f.Fatal(err)
		}
		routes = append(routes, config.Routes)
	}
	f.Fuzz(func(t *testing.T, target string) {
		request := &http.Request{Method: http.MethodGet, RequestURI: target, Header: http.Header{}}
		taken, refused := admit(request, nil, routes[1])
		if refused != nil {
			_, refused = admit(request, nil, routes[0])
			require.NotNil(t, refused, "%q", target)
			return
		}
		require.Equal(t, target, "/r"+taken.requestString)
		text, _, _ := strings.Cut(taken.requestString, "?")
		for range 3 {
			for _, read := range []string{text, strings.ReplaceAll(text, `\`, "/"), strings.ToLower(text)} {
				require.True(t, strings.HasPrefix(path.Clean(read)+"/", "/v1.0/event/"), "%q", target)
			}
			var err error
			if text, err = url.PathUnescape(text); err != nil {
				break
			}
		}
	})
}
