package proxy

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/internal/signing"
)

// A refusal is a problem document that says why, and does not repeat what was sent.
func TestRefusalIsAProblemDocument(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	got := problemOf(t, r.get(t, "/avanan/us/v1.0/canary?canary"))
	require.Equal(t, problem{
		Type: "about:blank", Title: "Forbidden", Status: 403, Detail: "the route does not allow this method and path",
	}, got)
	require.NotContains(t, r.log.String(), "canary")
}

// An error says which side failed, and nothing else: why is in the log.
func TestProblemSaysThatVaultFailed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		vault error
		want  int
		after string // Retry-After
	}{
		"no answer":    {&signing.Failure{Reason: "canary"}, 502, ""},
		"400":          {&signing.Failure{Status: 400, Reason: "canary"}, 502, ""},
		"403":          {&signing.Failure{Status: 403, Reason: "canary"}, 502, ""},
		"404":          {&signing.Failure{Status: 404, Reason: "canary"}, 502, ""},
		"412, behind":  {&signing.Failure{Status: 412, Reason: "canary"}, 503, "1"},
		"429, limited": {&signing.Failure{Status: 429, Reason: "canary"}, 503, "1"},
		"500":          {&signing.Failure{Status: 500, Reason: "canary"}, 502, ""},
		"502":          {&signing.Failure{Status: 502, Reason: "canary"}, 502, ""},
		"503, sealed":  {&signing.Failure{Status: 503, Reason: "canary"}, 503, "1"},
		"another":      {errors.New("canary"), 502, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.stub.say(nil, row.vault)
			response := r.get(t, "/avanan/us/v1.0/event/1")
			require.Equal(t, row.want, response.StatusCode)
			require.Equal(t, row.after, response.Header.Get("Retry-After"))
			got := problemOf(t, response)
			require.Equal(t, "vault", got.Side)
			require.NotContains(t, got.Detail, "canary")
			require.Contains(t, r.log.String(), "canary")
			require.Empty(t, r.vendorGot())
		})
	}
}

// A vendor that cannot be reached, or answers nonsense, is the vendor's failure. What it sent is not in the log.
func TestProblemSaysThatTheVendorFailed(t *testing.T) {
	t.Parallel()
	nonsense, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = nonsense.Close() })
	go func() {
		for {
			connection, err := nonsense.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "nonsense-canary\r\n\r\n")
			_ = connection.Close()
		}
	}()
	for name, base := range map[string]string{
		"nobody listens": "http://127.0.0.1:1", // a port that no other test can get
		"nonsense":       "http://" + nonsense.Addr().String(),
		"no TLS":         "https://" + nonsense.Addr().String(),
		"no such name":   "http://name.invalid",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.stub.say(&signing.Signed{BaseURL: base}, nil)
			want := problem{
				Type: "about:blank", Title: "Bad Gateway", Status: 502, Side: "vendor", Detail: "the vendor did not answer",
			}
			require.Equal(t, want, problemOf(t, r.get(t, "/pave/v1/sessions")))
			require.NotContains(t, r.log.String(), "nonsense-canary")
		})
	}
}
