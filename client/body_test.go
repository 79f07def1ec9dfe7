package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
)

var sendsBody = []string{"request_string", "body", "content_type"}

// A body is signed as a text with its type, and sent. A call without either is signed without them.
func TestBodyIsSignedAsText(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusUnauthorized, http.StatusOK)
	vault := newVault(t, signing(v.URL))
	transport := &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x", Send: sendsBody}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL+"/a", strings.NewReader("é\n"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", " text/plain ")
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	_, err = call(t, transport, http.MethodGet, v.URL+"/a", nil)
	require.NoError(t, err)
	require.Equal(t, []string{
		`PUT /v1/m/sign/custom/x {"body":"é\n","content_type":"text/plain","request_string":"/a"}`,
		`PUT /v1/m/sign/custom/x {"body":"é\n","content_type":"text/plain","request_string":"/a","unauthorized":true}`,
		`PUT /v1/m/sign/custom/x {"request_string":"/a"}`,
	}, vault.seen())
	require.Equal(t, []string{"é\n", "é\n", ""}, v.sent)
	require.Equal(t, "text/plain", v.calls[0].Header.Get("Content-Type"))
}

// Nothing is signed or sent of a call whose body or type cannot be signed.
func TestBodiesThatCannotBeSigned(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		body  io.Reader
		types []string
		want  string
	}{
		"not UTF-8": {strings.NewReader("canary\xff"), nil, "the body is not UTF-8"},
		"too long":  {strings.NewReader(strings.Repeat("x", 64<<10+1)), nil, "the body is longer than 64 KiB"},
		"once only": {struct{ io.Reader }{strings.NewReader("canary")}, nil, "the call's body can be read only once"},
		"two types": {nil, []string{"a/canary", "c/d"}, "the call has more than one Content-Type"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusOK)
			vault := newVault(t, signing(v.URL))
			transport := &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x", Send: sendsBody}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL+"/a", row.body)
			require.NoError(t, err)
			request.Header["Content-Type"] = row.types
			_, err = transport.RoundTrip(request) //nolint:bodyclose // there is no answer
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "canary")
			require.Empty(t, vault.seen())
			require.Empty(t, v.sent)
		})
	}
}

// closing counts how often a body is closed.
type closing struct {
	io.Reader
	times *atomic.Int32
}

func (c closing) Close() error {
	c.times.Add(1)
	return nil
}

// The body of Vault's answer is sent in place of the call's, which is closed, with the headers of Vault's answer.
func TestBodyOfTheAnswerIsSent(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		again bool // the call's body can be read again
		want  []string
	}{
		"with GetBody":    {true, []string{"sig=1", "sig=2"}},
		"without GetBody": {false, []string{"sig=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVendor(t, http.StatusUnauthorized, http.StatusOK)
			var signed, opened, closed atomic.Int32
			vault := newVault(t, func(body map[string]any) any {
				return map[string]any{"data": map[string]any{
					"headers": map[string]any{"Content-Type": "application/x-www-form-urlencoded"},
					"url":     v.URL + fmt.Sprint(body["request_string"]),
					"body":    fmt.Sprint("sig=", signed.Add(1)),
				}}
			})
			transport := &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x"}
			open := func() (io.ReadCloser, error) {
				opened.Add(1)
				return closing{strings.NewReader("the call's own"), &closed}, nil
			}
			own, err := open()
			require.NoError(t, err)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.URL+"/a", own)
			require.NoError(t, err)
			request.Header.Set("Content-Type", "text/plain")
			request.Header.Set("Content-Encoding", "gzip")
			if row.again {
				request.GetBody = open
			}
			response, err := transport.RoundTrip(request)
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, row.want, v.sent)
			for i, got := range v.calls {
				require.Equal(t, []string{"application/x-www-form-urlencoded"}, got.Header["Content-Type"])
				require.NotContains(t, got.Header, "Content-Encoding")
				require.Equal(t, int64(len(row.want[i])), got.ContentLength)
			}
			require.Equal(t, opened.Load(), closed.Load())
			require.Equal(t, "text/plain", request.Header.Get("Content-Type"), "the caller's request is not changed")
		})
	}
}

// An answer whose body is no text is refused.
func TestBodyOfTheAnswerIsAText(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	vault := newVault(t, func(map[string]any) any {
		return map[string]any{"data": map[string]any{
			"headers": map[string]any{"X-Sig": "x"}, "url": v.URL + "/a", "body": 5,
		}}
	})
	_, err := call(t, &client.Transport{Vault: vault.Client, Path: "m/sign/custom/x"}, http.MethodGet, v.URL+"/a", nil)
	require.ErrorContains(t, err, "the answer of m/sign/custom/x has a body that is not a string")
	require.Empty(t, v.sent)
}

// Calls that are signed together have 1 MiB at most, which is the engine's limit, however few they are.
func TestBatchesAreLimitedInBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer, vault := newBatching(t)
		signer.Path = "apisig/sign/custom/x/batch"
		for range 2 + 20 { // two go alone
			go func() {
				_, err := signer.Sign(t.Context(), client.Call{Parameters: map[string]any{
					"request_string": "/", "body": strings.Repeat("x", 64<<10-1),
				}})
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		close(vault.let)
		synctest.Wait()
		var sizes []int
		for _, request := range vault.requests {
			sizes = append(sizes, len(request.Strings))
		}
		require.ElementsMatch(t, []int{1, 1, 16, 4}, sizes)
	})
}
