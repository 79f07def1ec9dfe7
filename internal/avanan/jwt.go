package avanan

import (
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/apisig/vault-plugin-apisig/internal/token"
)

const (
	// defaultLife is how long a JWT lives (Avanan's Smart API pages, "Authentication").
	defaultLife = time.Hour
	// maxLife is the longest life that an exp claim can give. A later exp is ignored, such as one in milliseconds.
	maxLife = 24 * time.Hour
)

// parseJWT reads the body of a handshake's answer: a JWT, which may be in JSON quotes and have white space around it.
// It returns the JWT and its life, counted from the time of the request. If the body is not a usable JWT, fault says
// why, without quoting the body. The JWT's signature is not checked, because TLS authenticates the sender and the JWT
// is only sent back to it.
func parseJWT(body string, asked time.Time) (text string, life time.Duration, fault string) {
	text = strings.TrimSpace(body)
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	switch {
	case text == "":
		return "", 0, "the body is empty"
	case len(text) > token.MaxText:
		return "", 0, "the token has more than 16 KiB"
	case !token.IsText(text):
		return "", 0, "the body is not a token"
	}
	if life = lifeOf(text, asked); life < token.MinLife {
		return "", 0, "the token has expired, or is about to (is this server's clock right?)"
	}
	return text, life, ""
}

// lifeOf returns how long a token lives. If it is a JWT with an exp claim in Unix seconds, it lives until then. If it
// also has an iat claim at most a day before exp, it lives no longer than from iat to exp, because the vendor's clock
// and this one may differ.
func lifeOf(text string, asked time.Time) time.Duration {
	claims := jwt.MapClaims{}
	// If parsing fails, the claims are empty, or the error is about the algorithm, which does not matter here.
	_, _, _ = jwt.NewParser().ParseUnverified(text, claims)
	exp, isNumber := claims["exp"].(float64)
	switch {
	case !isNumber || exp > float64(asked.Add(maxLife).Unix()):
		return defaultLife
	case exp <= 0:
		return 0
	}
	life := time.Unix(int64(exp), 0).Sub(asked)
	if iat, isNumber := claims["iat"].(float64); isNumber && iat < exp && iat >= exp-maxLife.Seconds() {
		life = min(life, time.Duration(exp-iat)*time.Second)
	}
	return life
}
