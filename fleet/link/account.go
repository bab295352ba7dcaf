package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// updateAccount is where a broker takes accounts that its operator signed.
const updateAccount = "$SYS.REQ.CLAIMS.UPDATE"

// UpdateAccount gives the broker a newer JWT of an account: at once it disconnects users that
// are revoked in it. The connection must be of the system account.
func UpdateAccount(ctx context.Context, o Options, token string) error {
	c, err := Connect(ctx, o)
	if err != nil {
		return err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	m, err := c.RequestWithContext(ctx, updateAccount, []byte(token))
	if err != nil {
		return fmt.Errorf("change the account at the broker: %w", err)
	}
	var answer struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("change the account at the broker: %w", err)
	}
	if answer.Error != nil {
		return fmt.Errorf("change the account at the broker: %w", errors.New(answer.Error.Description))
	}
	return nil
}
