package snap

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gelombang/gelombang/program/identity"
)

// cache keeps the access token. Its one place is a lock that can be waited for
// until a context ends.
type cache struct{ place chan kept }

type kept struct {
	token identity.Secret
	until time.Time
}

func newCache() cache {
	place := make(chan kept, 1)
	place <- kept{}
	return cache{place}
}

// drop forgets a token that was refused, unless it has been replaced.
func (c cache) drop(ctx context.Context, refused identity.Secret) {
	select {
	case k := <-c.place:
		if k.token.Equal(refused) {
			k = kept{}
		}
		c.place <- k
	case <-ctx.Done():
	}
}

// bearer returns the token. It fetches one if there is none, or if nine tenths of its
// life are over. One goroutine fetches at a time; the others wait for what it gets.
func (c *Client) bearer(ctx context.Context) (identity.Secret, error) {
	if c.o.Asymmetric {
		return identity.Secret{}, nil
	}
	var k kept
	select {
	case k = <-c.token.place:
	case <-ctx.Done():
		return identity.Secret{}, &Error{Call: "token", Rule: NoToken, cause: ctx.Err()}
	}
	defer func() { c.token.place <- k }()
	now := c.c.Clock()
	if !k.token.IsZero() && now.Before(k.until) {
		return k.token, nil
	}
	fetched, err := c.fetch(ctx, now)
	if err != nil {
		return identity.Secret{}, err
	}
	k = fetched
	return k.token, nil
}

// fetch asks for a new token.
func (c *Client) fetch(ctx context.Context, now time.Time) (kept, error) {
	at := timestamp(now)
	signature, err := c.signToken(at)
	if err != nil {
		return kept{}, err
	}
	header := http.Header{}
	header.Set("X-TIMESTAMP", at)
	header.Set("X-CLIENT-KEY", c.c.ClientKey)
	header.Set("X-SIGNATURE", signature)
	r, err := c.post(ctx, c.c.BaseURL+c.o.Paths.Token, accessToken, header, []byte(`{"grantType":"client_credentials"}`))
	if err != nil {
		return kept{}, err
	}
	token, seconds := r.text("accessToken"), r.number("expiresIn")
	if r.status != http.StatusOK || r.code != "" && !r.is("20000") || !printable(token, maxToken) || seconds == 0 {
		return kept{}, &Error{Call: "token", Rule: NoToken, Status: r.status, Code: r.code}
	}
	life := time.Duration(seconds) * time.Second
	return kept{identity.NewSecret(token), now.Add(life * 9 / 10)}, nil
}

const (
	maxToken = 2048      // the standard's length
	maxLife  = 24 * 3600 // seconds; a longer life is cut to this
)

// number reads a count of seconds that banks write as a text or as a number.
func (r reply) number(field string) int64 {
	text := r.text(field)
	if text == "" {
		text = string(r.fields[field])
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return min(n, maxLife)
}
