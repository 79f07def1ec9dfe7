package gateways

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// Applications that know a base URL, and nothing of Vault, tokens or signatures, call both vendors through each gateway
// with its example.
func TestApplicationsCallThroughAGateway(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, false)
			for program, file := range map[string]string{"sh": "application.sh", "python3": "application.py"} {
				if _, err := exec.LookPath(program); err != nil {
					continue
				}
				run := harness.Command(program, harness.Path("examples/proxy/"+file))
				run.Env = []string{
					"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
					"AVANAN_URL=http://" + r.address + "/avanan/us", "PAVE_URL=http://" + r.address + "/pave",
				}
				printed := harness.Run(t, run)
				require.Equal(t, 2, strings.Count(printed, `"responseText":"Success"`))
				require.Contains(t, printed, `{"data":[]}`)
			}
			for _, arrived := range r.since(0) {
				require.Equal(t, http.StatusOK, arrived.status)
				for name := range arrived.request.Header {
					require.NotRegexp(t, `(?i)^X-(Forwarded|Original)`, name)
				}
			}
			require.Contains(t, r.proxy.Log(t), `"route":"/avanan/us","status":200`)
		})
	}
}

// Where Vault signs nothing, the gateway sends nothing.
func TestGatewayRefusesWhereVaultDoesNotSign(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, k, false)
			r.proxy.SetToken(t, "hvs.ended")
			status := r.send(t, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: x\r\n\r\n")
			require.Equal(t, http.StatusForbidden, status)
			require.Empty(t, r.since(0))
			r.proxy.Stop()
			status = r.send(t, "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\nHost: x\r\n\r\n")
			require.Contains(t, []int{http.StatusInternalServerError, http.StatusBadGateway}, status)
			require.Empty(t, r.since(0))
		})
	}
}

// send sends bytes to the gateway, and returns the status of its answer.
func (r *rig) send(t *testing.T, request string) int {
	t.Helper()
	connection, err := net.Dial("tcp", r.address)
	require.NoError(t, err)
	defer connection.Close()
	require.NoError(t, connection.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(connection, request)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return response.StatusCode
}

// allowed are the calls that the example allows, decoded.
var allowed = regexp.MustCompile(`^((GET|HEAD) /v1\.0/event/[^/]+|POST /v1\.0/(event|search)/query|GET /v1/sessions)$`)

// tricks try to have another call signed than the one that is forwarded, or one that the route does not allow. The
// first line is that of the request; a Host is added.
var tricks = map[string]string{
	"an encoded slash":                "GET /avanan/us/v1.0/event/a%2Faction HTTP/1.1",
	"in small letters":                "GET /avanan/us/v1.0/event/a%2faction HTTP/1.1",
	"an encoded slash in the prefix":  "GET /avanan%2Fus/v1.0/event/1 HTTP/1.1",
	"an encoded letter in the prefix": "GET /%61vanan/us/v1.0/event/1 HTTP/1.1",
	"encoded twice":                   "GET /avanan/us/v1.0/event/a%252Faction HTTP/1.1",
	"dots, encoded twice":             "GET /avanan/us/v1.0/event/%252e%252e/action HTTP/1.1",
	"dots":                            "GET /avanan/us/v1.0/event/../action/entity HTTP/1.1",
	"dots to an allowed path":         "GET /avanan/us/v1.0/action/../event/1 HTTP/1.1",
	"encoded dots":                    "GET /avanan/us/v1.0/event/%2e%2e/action HTTP/1.1",
	"a dot":                           "GET /avanan/us/v1.0/./event/1 HTTP/1.1",
	"dots to another route":           "GET /avanan/us/../../pave/v1/sessions HTTP/1.1",
	"dots from another route":         "GET /pave/../avanan/us/v1.0/event/1 HTTP/1.1",
	"dots from nowhere":               "GET /x/../avanan/us/v1.0/event/1 HTTP/1.1",
	"dots and a parameter":            "GET /avanan/us/v1.0/event/..;/action HTTP/1.1",
	"two slashes":                     "GET /avanan/us//v1.0/event/1 HTTP/1.1",
	"two slashes within":              "GET /avanan/us/v1.0//event/1 HTTP/1.1",
	"two slashes first":               "GET //avanan/us/v1.0/event/1 HTTP/1.1",
	"a backslash":                     `GET /avanan/us/v1.0/event/..\action HTTP/1.1`,
	"an encoded backslash":            "GET /avanan/us/v1.0/event/..%5Caction HTTP/1.1",
	"an absolute address":             "GET http://vendor.example/avanan/us/v1.0/event/1 HTTP/1.1",
	"an absolute address, no path":    "GET http://vendor.example?/avanan/us/v1.0/event/1 HTTP/1.1",
	"an absolute address, dots":       "GET http://vendor.example/avanan/us/../us/v1.0/event/1 HTTP/1.1",
	"another scheme":                  "GET gopher://vendor.example/avanan/us/v1.0/event/1 HTTP/1.1",
	"a fragment":                      "GET /avanan/us/v1.0/event/1#/../action HTTP/1.1",
	"a fragment after a query":        "GET /avanan/us/v1.0/event/1?a#b HTTP/1.1",
	"an encoded fragment":             "GET /avanan/us/v1.0/event/1%23a HTTP/1.1",
	"an encoded question mark":        "GET /avanan/us/v1.0/event/1%3Fa=b HTTP/1.1",
	"an empty query":                  "GET /avanan/us/v1.0/event/1? HTTP/1.1",
	"two question marks":              "GET /avanan/us/v1.0/event/1??a=/v2/x HTTP/1.1",
	"a semicolon in a query":          "GET /avanan/us/v1.0/event/1?a=1;b=2 HTTP/1.1",
	"a malformed escape":              "GET /avanan/us/v1.0/event/1?a=%zz HTTP/1.1",
	"a malformed escape in the path":  "GET /avanan/us/v1.0/event/%zz HTTP/1.1",
	"a null byte":                     "GET /avanan/us/v1.0/event/a%00b HTTP/1.1",
	"raw quotes and bars":             "GET /avanan/us/v1.0/event/\"|<> HTTP/1.1",
	"not ASCII":                       "GET /avanan/us/v1.0/event/\xc3\xbc HTTP/1.1",
	"spellings of letters":            "GET /avanan/us/v1.0/%65vent/%31 HTTP/1.1",
	"a query":                         "GET /avanan/us/v1.0/event/1?b=%2f&a=+&a=%20 HTTP/1.1",
	"a space":                         "GET /avanan/us/v1.0/event/1 x HTTP/1.1",
	"HTTP/1.0":                        "GET /avanan/us/v1.0/event/1 HTTP/1.0",
	"another method":                  "DELETE /avanan/us/v1.0/event/1 HTTP/1.1",
	"a method in small letters":       "get /avanan/us/v1.0/event/1 HTTP/1.1",
	"TRACE":                           "TRACE /avanan/us/v1.0/event/1 HTTP/1.1",
	"HEAD of a POST":                  "HEAD /avanan/us/v1.0/search/query HTTP/1.1",
	"the gateway's own location":      "GET /apisig/avanan/us HTTP/1.1",
	"an original URI":                 header("X-Original-URI: /v1.0/event/2"),
	"an original URI, twice":          header("X-Original-URI: /v1.0/event/2", "X-Original-URI: /v1.0/event/3"),
	"an original URI, underscores":    header("X_Original_URI: /v1.0/event/2"),
	"an original URI and method":      header("X-Original-URI: /v1.0/action/entity", "X-Original-Method: POST"),
	"an original URL":                 header("X-Original-URL: /v1.0/action/entity"),
	"a rewritten URL":                 header("X-Rewrite-URL: /v1.0/action/entity"),
	"a forwarded URI":                 header("X-Forwarded-Uri: /v1.0/event/2"),
	"a forwarded URI, twice":          header("X-Forwarded-Uri: /v1.0/event/2", "x-forwarded-uri: /v1.0/event/3"),
	"a forwarded URI, underscores":    header("X_Forwarded_Uri: /v1.0/event/2"),
	"a forwarded URI and method":      header("X-Forwarded-Uri: /v1.0/action/entity", "X-Forwarded-Method: POST"),
	"a forwarded prefix":              header("X-Forwarded-Prefix: /v1.0/action"),
	"another method by a header":      header("X-HTTP-Method-Override: DELETE"),
	"the same by another header":      header("X-Method-Override: DELETE"),
	"the same, underscores":           header("X_HTTP_Method_Override: DELETE"),
	"a signature of its own":          header("x-av-sig: mine", "x_av_sig: mine", "x-av-token: mine"),
	"a header that hop by hop drops":  header("Connection: x-av-sig, x-original-uri, x-forwarded-uri"),
	"a body in a GET":                 header("Content-Length: 2", ""),
	"an upgrade":                      header("Connection: Upgrade", "Upgrade: websocket"),
}

// header is an allowed call with headers.
func header(lines ...string) string {
	return "GET /avanan/us/v1.0/event/1 HTTP/1.1\r\n" + strings.Join(lines, "\r\n")
}

// ownStatus are the tricks that a gateway may refuse by itself, with another status.
var ownStatus = map[string]int{"TRACE": http.StatusMethodNotAllowed, "the gateway's own location": http.StatusNotFound}

// A trick ends in a refusal, and nothing is sent. Or the call that arrives is allowed, and what has been signed is its
// own bytes. For that the examples need not drop a client's headers: the tricks are tried without, too.
func TestTricksSignNoOtherCallThanIsForwarded(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(tricks), 30)
	for _, k := range kinds {
		for name, careless := range map[string]bool{"example": false, "careless": true} {
			t.Run(k.name+" "+name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t, k, careless)
				passed := 0
				for trick, lines := range tricks {
					t.Run(trick, func(t *testing.T) {
						before := len(r.since(0))
						first, rest, _ := strings.Cut(lines+"\r\n", "\r\n")
						status := r.send(t, first+"\r\nHost: x\r\n"+rest+"\r\n")
						arrived := r.since(before)
						if status != http.StatusOK && len(arrived) == 0 {
							require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden, ownStatus[trick]}, status)
							return
						}
						require.Len(t, arrived, 1)
						passed += arrived[0].check(t, !careless)
					})
				}
				require.Positive(t, passed)
				require.NotContains(t, r.proxy.Log(t), `"level":"ERROR"`)
			})
		}
	}
}

// check checks a call that arrived after a trick, and returns how many signed ones it is. One without a signature has
// got none: its client had the gateway drop it.
func (a arrival) check(t *testing.T, example bool) int {
	t.Helper()
	call := a.request
	path, err := url.PathUnescape(call.URL.EscapedPath())
	require.NoError(t, err)
	require.Regexp(t, allowed, call.Method+" "+path)
	signatures := append(call.Header.Values("X-Av-Sig"), call.Header.Values("API-Token")...)
	if a.status != http.StatusOK {
		require.Equal(t, http.StatusUnauthorized, a.status)
		require.Empty(t, signatures)
		require.False(t, example)
		return 0
	}
	require.Len(t, signatures, 1)
	for name := range call.Header {
		if example {
			require.NotRegexp(t, `(?i)^X[-_](HTTP[-_])?Method|^X[-_](Original|Rewrite|Forwarded)|_`, name)
		}
	}
	return 1
}
