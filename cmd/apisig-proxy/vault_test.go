package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/client"
	"github.com/apisig/vault-plugin-apisig/internal/proxy"
)

// The file is read ten times a second at most, but at once after a failure, or while there is no token.
func TestTokensFileIsNotReadAllTheTime(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	v := newVault(t, http.StatusOK, headers)
	b, signer := signerFor(t, proxy.Vault{Address: v.URL, TokenFile: file})
	now := time.Now()
	b.now = func() time.Time { return now }
	require.Error(t, b.look(t.Context()))
	for _, step := range []struct {
		later time.Duration
		want  string
	}{{0, "one"}, {99 * time.Millisecond, "one"}, {time.Millisecond, "three"}, {99 * time.Millisecond, "three"}} {
		now = now.Add(step.later)
		content := step.want
		if step.later == 99*time.Millisecond {
			content = "unread"
		}
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		require.NoError(t, b.look(t.Context()))
		require.Equal(t, step.want, b.vault.Token())
	}
	v.status = http.StatusForbidden
	_, err := signer.Sign(t.Context(), client.Call{})
	require.Error(t, err)
	require.NoError(t, b.look(t.Context()))
	require.Equal(t, "unread", b.vault.Token())
}

// A token that Vault denies is replaced by the one that is in the file by then, and by no other.
func TestDeniedTokenIsReplaced(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	v := newVault(t, http.StatusOK, headers)
	v.revoked = "one"
	made, signer := signerFor(t, proxy.Vault{Address: v.URL, TokenFile: file})
	now := time.Now()
	made.now = func() time.Time { return now }
	require.NoError(t, os.WriteFile(file, []byte("one"), 0o600))
	_, err := signer.Sign(t.Context(), client.Call{})
	require.Error(t, err)
	_, err = signer.Sign(t.Context(), client.Call{})
	require.Error(t, err, "the file has no other token")
	require.Len(t, v.seen, 2)
	require.NoError(t, os.WriteFile(file, []byte("two"), 0o600))
	signed, err := signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	require.Equal(t, "canary", signed.Headers["Authorization"])
	require.Len(t, v.seen, 3)
	v.revoked = "two"
	require.NoError(t, os.WriteFile(file, []byte("three"), 0o600))
	_, err = signer.Sign(t.Context(), client.Call{Rejected: signed})
	require.NoError(t, err)
	require.Len(t, v.seen, 5)
}

// Connections to Vault are kept, however many calls are signed at once.
func TestConnectionsToVaultAreKept(t *testing.T) {
	t.Parallel()
	const calls = 64
	var opened atomic.Int32
	var arrived sync.WaitGroup // a wave's calls are in Vault at the same time
	vault := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived.Done()
		arrived.Wait()
		_, _ = w.Write([]byte(headers))
	}))
	vault.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	vault.Start()
	t.Cleanup(vault.Close)
	made, err := connect(proxy.Vault{Address: vault.URL}, nil)
	require.NoError(t, err)
	signer := made.Signer(&proxy.Route{Path: "apisig/sign/avanan/us"}, nil)
	for range 3 {
		var wave sync.WaitGroup
		arrived.Add(calls)
		for range calls {
			wave.Go(func() {
				_, err := signer.Sign(t.Context(), client.Call{Parameters: map[string]any{"request_string": "/"}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wave.Wait()
	}
	require.EqualValues(t, calls, opened.Load())
}

// The file's certificates and server name are used for TLS, in both directions.
func TestTLSIsAsTheFileSays(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 1)
	vault := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.TLS.ServerName
		_, _ = w.Write([]byte(headers))
	}))
	vault.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	vault.StartTLS()
	t.Cleanup(vault.Close)
	directory := t.TempDir()
	file := func(name, kind string, content []byte) string {
		path := filepath.Join(directory, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
		return path
	}
	key, err := x509.MarshalPKCS8PrivateKey(vault.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	certificate := file("cert.pem", "CERTIFICATE", vault.Certificate().Raw)
	whole := proxy.Vault{
		Address:       vault.URL,
		CACert:        certificate,
		ClientCert:    certificate,
		ClientKey:     file("key.pem", "PRIVATE KEY", key),
		TLSServerName: "example.com",
	}
	_, signer := signerFor(t, whole)
	_, err = signer.Sign(t.Context(), client.Call{})
	require.NoError(t, err)
	require.Equal(t, "example.com", <-seen)
	untrusted, anonymous := whole, whole
	untrusted.CACert = ""
	anonymous.ClientCert, anonymous.ClientKey = "", ""
	for _, config := range []proxy.Vault{untrusted, anonymous} {
		_, signer := signerFor(t, config)
		_, err = signer.Sign(t.Context(), client.Call{})
		require.ErrorContains(t, err, "no answer from Vault")
	}
}
