package verifiers

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/apisig/vault-plugin-apisig/e2e/harness"
)

// npm makes a library of npm's do a task, which npm.cjs describes, and returns its result.
func npm(t *testing.T, task map[string]any) any {
	t.Helper()
	libraries := os.Getenv("E2E_NPM")
	if libraries == "" {
		t.Skip("make e2e-npm runs it, with npm's libraries in a folder")
	}
	input, err := json.Marshal(task)
	require.NoError(t, err)
	run := harness.Command("node", "npm.cjs", libraries)
	var printed, problem bytes.Buffer
	run.Stdin, run.Stdout, run.Stderr = bytes.NewReader(input), &printed, &problem
	require.NoError(t, run.Run(), problem.String())
	var result any
	require.NoError(t, json.Unmarshal(printed.Bytes(), &result))
	return result
}

// A library for HTTP Message Signatures verifies the message with each algorithm, and not for another call or with
// another key.
func TestMessageSignatureLibraryVerifies(t *testing.T) {
	t.Parallel()
	for algorithm, newKey := range map[string]func(t *testing.T) (secret, verifies string){
		"hmac-sha256": func(*testing.T) (string, string) {
			key := base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
			return key, key
		},
		"ed25519": func(t *testing.T) (string, string) {
			t.Helper()
			_, key, err := ed25519.GenerateKey(rand.Reader)
			require.NoError(t, err)
			return pemOf(t, key), publicPEM(t, key)
		},
		"ecdsa-p256-sha256": func(t *testing.T) (string, string) {
			t.Helper()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			require.NoError(t, err)
			return pemOf(t, key), publicPEM(t, key)
		},
		"rsa-pss-sha512": func(t *testing.T) (string, string) {
			t.Helper()
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(t, err)
			return pemOf(t, key), publicPEM(t, key)
		},
	} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			requireMessageVerifies(t, algorithm, newKey)
		})
	}
}

func requireMessageVerifies(t *testing.T, algorithm string, newKey func(t *testing.T) (secret, verifies string)) {
	t.Helper()
	secret, key := newKey(t)
	_, anotherKey := newKey(t)
	parameter := "private_key"
	if algorithm == "hmac-sha256" {
		parameter = "secret"
	}
	s := with(t, "rfc9421-"+algorithm, values{
		"base_url": "https://api.example.com/base",
		"key_id":   "key-1",
		parameter:  secret,
	})
	signed := s.sign(t, values{"method": "POST", "request_string": "/orders?a=1&b=%20", "body": `{"a":"ü"}`})
	for name, test := range map[string]struct {
		change values
		want   bool
	}{
		"the call":       {nil, true},
		"another method": {values{"method": "DELETE"}, false},
		"another URL":    {values{"url": signed.url + "0"}, false},
		"another key":    {values{"key": anotherKey}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			task := map[string]any{
				"task":      "message",
				"method":    "POST",
				"url":       signed.url,
				"headers":   signed.headers,
				"algorithm": algorithm,
				"key":       key,
				"keyID":     "key-1",
			}
			for field, value := range test.change {
				task[field] = value
			}
			require.Equal(t, test.want, npm(t, task))
		})
	}
}

// publicPEM is the public key of a private one.
func publicPEM(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// A client library for Kraken sends the same form and signature for the same nonce.
func TestKrakenLibraryGivesTheSameSignature(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString([]byte(harness.NewSecret()))
	s := with(t, "kraken", values{"base_url": "https://api.kraken.com", "api_key": "key", "private_key": key})
	signed := s.sign(t, values{"request_string": "/0/private/AddOrder", "params": "pair=XBTEUR&type=buy&volume=1.25"})
	nonce := signed.headers["API-Nonce"]
	exchange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"path": r.URL.Path,
			"form": string(form),
			"key":  r.Header.Get("API-Key"),
			"sign": r.Header.Get("API-Sign"),
		})
	}))
	t.Cleanup(exchange.Close)
	require.Equal(t, map[string]any{
		"path": "/0/private/AddOrder",
		"form": "nonce=" + nonce + "&pair=XBTEUR&type=buy&volume=1.25",
		"key":  "key",
		"sign": signed.headers["API-Sign"],
	}, npm(t, map[string]any{
		"task":   "kraken",
		"url":    exchange.URL,
		"key":    key,
		"keyID":  "key",
		"method": "AddOrder",
		"parameters": struct {
			Nonce  string `json:"nonce"`
			Pair   string `json:"pair"`
			Type   string `json:"type"`
			Volume string `json:"volume"`
		}{nonce, "XBTEUR", "buy", "1.25"},
	}))
}
