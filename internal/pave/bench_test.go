package pave_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/pave"
)

var (
	benchCredentials = pave.Credentials{
		Username: "acme", APIKey: "09bc91b9-76e5-4256-8e4f-7a41c1408014", APISecret: "5b2c8e1f-0d4a-4a55-9a36-2a6d2f8f7a10",
	}
	benchAt = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
)

// BenchmarkSignToBare measures signing and bareHMAC in turn, so that other work on the machine does not change their
// ratio.
func BenchmarkSignToBare(b *testing.B) {
	var sign, bare time.Duration
	for b.Loop() {
		began := time.Now()
		for range 100 {
			_, _ = benchCredentials.Sign(benchAt, pave.RFC3339)
		}
		between := time.Now()
		for range 100 {
			bareHMAC()
		}
		sign, bare = sign+between.Sub(began), bare+time.Since(between)
	}
	b.ReportMetric(float64(sign)/float64(bare), "times-bare")
}

func BenchmarkSign(b *testing.B) {
	for _, format := range pave.TimestampFormats() {
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := benchCredentials.Sign(benchAt, format); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBare(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		bareHMAC()
	}
}

var (
	benchResult  string
	benchMessage = []byte("acme:09bc91b9-76e5-4256-8e4f-7a41c1408014@2026-01-02T03:04:05Z")
	benchKey     = []byte(benchCredentials.APISecret.Reveal())
)

// bareHMAC is the least work that signing needs: the HMAC-SHA256 of the same message, in hex.
func bareHMAC() {
	mac := hmac.New(sha256.New, benchKey)
	mac.Write(benchMessage)
	benchResult = hex.EncodeToString(mac.Sum(nil))
}
