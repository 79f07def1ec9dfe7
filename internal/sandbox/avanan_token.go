package sandbox

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issue makes a JWT and remembers it. Nobody can verify its signature, because the key is thrown away.
func (s *Sandbox) issue(life time.Duration) answer {
	now := s.now()
	expiry := now.Add(life)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iat": now.Unix(), "exp": expiry.Unix(), "jti": rand.Text(), "scope": avananScope,
	}).SignedString([]byte(rand.Text()))
	if err != nil {
		return message(http.StatusInternalServerError, "Internal Server Error", err.Error())
	}
	s.mu.Lock()
	s.tokens[token] = time.Unix(expiry.Unix(), 0)
	s.mu.Unlock()
	return answer{http.StatusOK, token, "a JWT"}
}

// Living says whether a JWT was issued and has not expired.
func (s *Sandbox) Living(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expiry, known := s.tokens[token]
	return known && s.now().Before(expiry)
}
