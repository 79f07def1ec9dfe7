package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
)

// transportFunc is an http.RoundTripper.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// signerOver returns a signer whose requests to Vault go to a transport. Vault's client sets no timeout of its own.
func signerOver(t *testing.T, path string, vault transportFunc) *client.Signer {
	t.Helper()
	config := api.DefaultConfig()
	config.HttpClient, config.Timeout, config.MaxRetries = &http.Client{Transport: vault}, 0, 0
	made, err := api.NewClient(config)
	require.NoError(t, err)
	return &client.Signer{Vault: made, Path: path}
}

var oneCall = client.Call{Parameters: map[string]any{"request_string": "/"}}

// A request that several calls wait for ends after a minute, whatever the calls' own contexts say.
func TestSharedRequestsEndAfterAMinute(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"creds": "m/creds/pave/main", "batch": "m/sign/avanan/us/batch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signer := signerOver(t, path, func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				started := time.Now()
				_, err := signer.Sign(t.Context(), oneCall)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Minute, time.Since(started))
			})
		})
	}
}

// A shared request that has ended leaves no timer behind.
func TestSharedRequestsReleaseTheirContext(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"creds": "m/creds/pave/main", "batch": "m/sign/avanan/us/batch"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var used context.Context
				signer := signerOver(t, path, func(r *http.Request) (*http.Response, error) {
					used = r.Context()
					return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
				})
				_, err := signer.Sign(t.Context(), oneCall)
				require.Error(t, err)
				synctest.Wait()
				require.ErrorIs(t, used.Err(), context.Canceled)
			})
		})
	}
}

// An answer without a body, such as 204, has no headers to send a call with.
func TestEmptyAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"creds": "m/creds/pave/main",
		"sign":  "m/sign/avanan/us",
		"batch": "m/sign/avanan/us/batch",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signer := signerOver(t, path, func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
			})
			_, err := signer.Sign(t.Context(), oneCall)
			require.EqualError(t, err, "the answer of "+path+" is empty")
		})
	}
}

// Calls go through Next, signed.
func TestCallsGoThroughNext(t *testing.T) {
	t.Parallel()
	vault := newVault(t, signing("https://vendor.example"))
	var sent []string
	signature := "x-av-sig" // which keeps its spelling
	next := transportFunc(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.URL.String()+" "+strings.Join(r.Header[signature], ","))
		return &http.Response{StatusCode: http.StatusTeapot, Body: http.NoBody, Request: r}, nil
	})
	transport := &client.Transport{Vault: vault.Client, Path: "m/sign/avanan/us", Next: next}
	status, err := call(t, transport, http.MethodPost, "https://vendor.example/v1.0/x", strings.NewReader("body"))
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, status)
	require.Equal(t, []string{"https://vendor.example/v1.0/x signature 1"}, sent)
}

// A query with commas and semicolons, and an encoded slash, are signed and sent as they are.
func TestCallsAreSentAsTheyAreSigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, http.StatusOK)
	vault := newVault(t, signing(v.URL))
	transport := &client.Transport{Vault: vault.Client, Path: "m/sign/custom/camera"}
	const target = "/a%2Fb?move=-25,0;speed=1&x"
	_, err := call(t, transport, http.MethodGet, v.URL+target, nil)
	require.NoError(t, err)
	require.Equal(t, target, v.calls[0].RequestURI)
	const want = `PUT /v1/m/sign/custom/camera {"request_string":"/a%2Fb?move=-25,0;speed=1\u0026x"}`
	require.Equal(t, []string{want}, vault.seen())
}
