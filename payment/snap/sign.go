package snap

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"time"
)

// wib is the zone in which the standard's days begin and end.
var wib = time.FixedZone("WIB", 7*60*60)

// timestamp is X-TIMESTAMP and transactionDate, yyyy-MM-ddTHH:mm:ssTZD.
func timestamp(t time.Time) string { return t.In(wib).Format("2006-01-02T15:04:05-07:00") }

// signToken signs the request for a token: SHA256withRSA of the client id, a bar and the timestamp.
func (c *Client) signToken(at string) (string, error) {
	return c.signRSA(c.c.ClientKey+"|"+at, c.o.HexToken)
}

// signCall signs a transaction. The body is minified already: it is what
// encoding/json wrote.
func (c *Client) signCall(method, path, token string, body []byte, at string) (string, error) {
	digest := sha256.Sum256(body)
	hash := hex.EncodeToString(digest[:])
	if c.o.Asymmetric {
		return c.signRSA(strings.Join([]string{method, path, hash, at}, ":"), c.o.HexSignature)
	}
	mac := hmac.New(sha512.New, []byte(c.c.Secret.Reveal()))
	mac.Write([]byte(strings.Join([]string{method, path, token, hash, at}, ":")))
	return encode(mac.Sum(nil), c.o.HexSignature), nil
}

func (c *Client) signRSA(text string, inHex bool) (string, error) {
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, c.c.Key, crypto.SHA256, digest[:])
	if err != nil {
		return "", &FieldError{"key", "must sign"}
	}
	return encode(signature, inHex), nil
}

func encode(signature []byte, inHex bool) string {
	if inHex {
		return hex.EncodeToString(signature)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

// externalID makes an X-EXTERNAL-ID: 36 digits, the day in WIB and 28 that follow from
// the service, the reference and the attempt. Two requests of one day differ if
// one of those does; on another day the same request has another id.
func externalID(service, reference, attempt string, at time.Time) string {
	day := at.In(wib).Format("20060102")
	digest := sha256.Sum256([]byte(service + "|" + reference + "|" + attempt))
	digits := new(big.Int).SetBytes(digest[:]).String()
	return day + (strings.Repeat("0", 78-len(digits)) + digits)[78-28:]
}
