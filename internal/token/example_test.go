package token_test

import (
	"context"
	"fmt"
	"time"

	"github.com/apisig/vault-plugin-apisig/internal/secret"
	"github.com/apisig/vault-plugin-apisig/internal/token"
)

// Two readers share one token, until it has less than ten minutes left.
func Example() {
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	shared := token.New(context.Background(), func() time.Time { return now })

	logins := 0
	use := token.Use{
		MinTTL: 10 * time.Minute,
		Mint: func(context.Context) (token.Token, error) {
			logins++ // a real one asks the vendor
			return token.Token{
				Value:   secret.Text(fmt.Sprintf("token %d", logins)),
				AskedAt: now, ExpiresAt: now.Add(time.Hour),
			}, nil
		},
	}
	for _, minute := range []int{0, 30, 55} {
		now = time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC)
		got, err := shared.Get(context.Background(), use)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: %s, for another %s\n", now.Format("15:04"), got.Value.Reveal(), got.TTL(now))
	}
	// Output:
	// 03:00: token 1, for another 59m0s
	// 03:30: token 1, for another 29m0s
	// 03:55: token 2, for another 59m0s
}
