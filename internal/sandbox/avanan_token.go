package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// signingKey is the key that signs Avanan's JWTs.
type signingKey struct {
	private *rsa.PrivateKey
	// kid is the thumbprint of RFC 7638.
	kid string
	// jwk is the public key, as RFC 7517 and RFC 7518 write it.
	jwk string
}

// avananKey is generated at its first use. Every sandbox of the process shares it, because generating an RSA key is
// slow.
var avananKey = sync.OnceValue(func() signingKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("sandbox: generate an RSA key: " + err.Error())
	}
	encode := base64.RawURLEncoding.EncodeToString
	e, n := encode(big.NewInt(int64(private.E)).Bytes()), encode(private.N.Bytes())
	thumbprint := sha256.Sum256(fmt.Appendf(nil, `{"e":%q,"kty":"RSA","n":%q}`, e, n))
	kid := encode(thumbprint[:])
	jwk := fmt.Sprintf(`{"alg":"RS256","e":%q,"kid":%q,"kty":"RSA","n":%q,"use":"sig"}`, e, kid, n)
	return signingKey{private, kid, jwk}
})

// issue makes a JWT and remembers it.
func (s *Sandbox) issue(life time.Duration) answer {
	now := s.clock()
	expiry := now.Add(life)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iat": now.Unix(), "exp": expiry.Unix(), "jti": rand.Text(), "scope": avananScope,
	})
	unsigned.Header["kid"] = avananKey().kid
	token, err := unsigned.SignedString(avananKey().private)
	if err != nil {
		return message(http.StatusInternalServerError, "Internal Server Error", err.Error())
	}
	s.mu.Lock()
	s.jwts[token] = time.Unix(expiry.Unix(), 0)
	s.mu.Unlock()
	return answer{http.StatusOK, token, "a JWT"}
}

// Living reports whether a vendor issued a token that has not expired.
func (s *Sandbox) Living(token string) bool {
	return s.living(s.jwts, token) || s.living(s.bearers, token) || s.living(s.access, token)
}

// living reports whether a token is among those that a vendor issued and has not expired.
func (s *Sandbox) living(issued map[string]time.Time, token string) bool {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(issued[token])
}
