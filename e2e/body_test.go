package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// The proxy has bodies signed by Vault, and sends the body of Vault's answer where a scheme declares one. The sandbox,
// with its own arithmetic, checks the signature of the body that it gets. Calls that come in together are signed
// together.
func TestProxySignsAndSendsBodies(t *testing.T) {
	t.Parallel()
	m := harness.Start(t).MountApisig(t)
	m.WriteBodies()
	var routes strings.Builder
	for name, sends := range map[string]string{"signs": "body", "answers": "body_sha256"} {
		for _, batch := range []string{"", "/batch"} {
			fmt.Fprintf(&routes, "  /%s%s: {sign: apisig/sign/custom/%[1]s%[2]s, send: [method, request_string, %[3]s], "+
				"allow: [GET /custom/v1/orders, POST /custom/v1/orders]}\n", name, batch, sends)
		}
	}
	p := harness.NewProxy(t, m, "listen: 127.0.0.1:8410\nvault: {token_file: /run/apisig-agent/token}\n"+
		"routes:\n"+routes.String()+"metrics: 127.0.0.1:9410\n")
	p.SetToken(t, m.Client.Token())
	p.Start(t)
	longest := strings.Repeat("é", 32<<10)
	for name, row := range map[string]struct {
		body   string
		signed int // the status of what signs the body; what answers one takes all of them
		detail string
	}{
		"no body":            {"", http.StatusOK, ""},
		"JSON":               {`{"item":"<a> & ü\n"}`, http.StatusOK, ""},
		"the longest":        {longest, http.StatusOK, ""},
		"too long":           {longest + "x", http.StatusRequestEntityTooLarge, "longer than 64 KiB"},
		"not UTF-8":          {"\xff\xfe", http.StatusBadRequest, "not UTF-8"},
		"U+FFFD":             {"a\ufffd", http.StatusBadRequest, "Vault refused the call: body contains U+FFFD"},
		"escapes to be kept": {"\x00\u2028\\u0041\r\n", http.StatusOK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, batch := range []string{"", "/batch"} {
				status, text := bodyOf(t, http.MethodPost, p.URL+"/signs"+batch+"/custom/v1/orders?a=b", row.body)
				require.Equal(t, row.signed, status, text)
				require.Contains(t, text, row.detail)
				status, text = bodyOf(t, http.MethodPost, p.URL+"/answers"+batch+"/custom/v1/orders?a=b", row.body)
				require.Equal(t, http.StatusOK, status, text)
			}
		})
	}
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		done := make(chan string)
		calls := &http.Client{Timeout: time.Minute}
		body := strings.Repeat("x", 48<<10) // 22 of them are more than a batch may have
		for range 50 {
			go func() {
				response, err := calls.Post(p.URL+"/signs/batch/custom/v1/orders", "text/plain", strings.NewReader(body))
				if err != nil {
					done <- err.Error()
					return
				}
				done <- fmt.Sprint(response.StatusCode, response.Body.Close())
			}()
		}
		for range 50 {
			require.Equal(t, "200 <nil>", <-done)
		}
	})
	t.Run("the client package", func(t *testing.T) {
		t.Parallel()
		for name, sends := range map[string]string{"signs": "body", "answers": "body_sha256"} {
			transport := &client.Transport{
				Vault: m.Client, Path: "apisig/sign/custom/" + name, Send: []string{"method", "request_string", sends},
			}
			calls := &http.Client{Transport: transport, Timeout: time.Minute}
			response, err := calls.Post(m.URL+"/custom/v1/orders", "text/plain", strings.NewReader("é"))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
		}
	})
}
