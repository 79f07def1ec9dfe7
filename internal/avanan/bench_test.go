package avanan_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/avanan"
	"github.com/apisig/vault-plugin-apisig/internal/secret"
)

const (
	benchAppID         = "US:myapp29"
	benchRequestString = "/v1.0/msp/usage?year=2026&month=8"
)

var benchAt = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)

func BenchmarkHeaders(b *testing.B) {
	credentials := avanan.Credentials{AppID: benchAppID, SecretKey: "5b2c8e1f0d4a4a559a362a6d2f8f7a10"}
	token := secret.Text(strings.Repeat("x", 1000))
	b.ReportAllocs()
	for b.Loop() {
		_ = credentials.Headers(avanan.Call{
			ReqID: "d290f1ee-6c54-4b01-90e6-d701748f0851", Date: avanan.Zoneless.Date(benchAt), Token: token,
			RequestString: benchRequestString,
		})
	}
}

// BenchmarkBare is the least work that signing needs: base64, SHA-256 and hex of the same text.
func BenchmarkBare(b *testing.B) {
	text := []byte("d290f1ee-6c54-4b01-90e6-d701748f0851" + benchAppID + "2026-01-02T03:04:05.123456" +
		benchRequestString +
		"5b2c8e1f0d4a4a559a362a6d2f8f7a10")
	b.ReportAllocs()
	for b.Loop() {
		sum := sha256.Sum256([]byte(base64.StdEncoding.EncodeToString(text)))
		_ = hex.EncodeToString(sum[:])
	}
}

func BenchmarkCheckRequestString(b *testing.B) {
	for name, requestString := range map[string]string{
		"plain": benchRequestString, "encoded": "/v1.0/task/1?scope=mt-prod-3%3Aacme",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := avanan.CheckRequestString(benchAppID, requestString); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
