package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackpolicy/cmd/internal/cli"
	"stackpolicy/fleet"
	"stackpolicy/fleet/link"
	"stackpolicy/fleet/registry"
	"stackpolicy/internal/text"
)

type revoking struct{ user, operatorKey string }

func (a *app) revoke() *cobra.Command {
	r := revoking{}
	cmd := &cobra.Command{
		Use:   "revoke HOST",
		Short: "End the membership of a host",
		Long: `Refuses what the host sends from now on, and ends its right to connect. What it
sent before stays in the archive. Without --user it is about every account of
the host. It needs the operator's key: keys/operator.nk in the hub's folder, or
where you keep it.

The host's key is never taken again. To enroll the host anew, give --new-key to
stackpolicy enroll there.`,
		Example: "  stackfleet revoke web\n  stackfleet revoke web --user alice --operator-key /media/stick/operator.nk",
		Args:    cli.Takes("HOST"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runRevoke(cmd, args[0], r) },
	}
	cmd.Flags().StringVar(&r.user, "user", "", "`NAME` of the only account to revoke")
	cmd.Flags().StringVar(&r.operatorKey, "operator-key", "", "`FILE` of the operator's key (default: keys/operator.nk in the hub's folder)")
	return cmd
}

func (a *app) runRevoke(cmd *cobra.Command, host string, r revoking) error {
	h, c, js, err := a.reach(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	known := h.registry(js)
	ids, err := r.find(cmd.Context(), known, host)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := h.revoke(cmd.Context(), known, id, r.operatorKey); err != nil {
			return err
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "stackfleet: %s at the host %s is revoked\n", text.Clean(id.User), text.Clean(id.Host))
	}
	return nil
}

// find returns the identities of a host to revoke.
func (r revoking) find(ctx context.Context, known registry.Registry, host string) (ids []fleet.Identity, err error) {
	all, unread := known.List(ctx)
	for _, id := range all {
		if id.Host == host && (r.user == "" || id.User == r.user) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, errors.Join(notEnrolled(host, r.user), unread)
	}
	return ids, nil
}

// notEnrolled says that a host is not known, or has no such account.
func notEnrolled(host, user string) error {
	if user != "" {
		return fmt.Errorf("no account %s at a host %s is enrolled; `stackfleet members` lists them", text.Clean(user), text.Clean(host))
	}
	return fmt.Errorf("no such host is enrolled: %s; `stackfleet members` lists them", text.Clean(host))
}

// revoke does both: the archive refuses what is signed from now on, and the broker the connection.
// One that was revoked half is revoked wholly.
func (h *hub) revoke(ctx context.Context, known registry.Registry, id fleet.Identity, operatorKey string) error {
	now := time.Now().UTC()
	if id.Revoked == nil {
		id.Revoked = &now
		if err := known.Put(ctx, h.keys.Registry, id); err != nil {
			return err
		}
	}
	if err := h.disconnect(ctx, id, operatorKey, now); err != nil {
		return fmt.Errorf("what %s at the host %s sends is refused from now on, but it can still connect: %w", id.User, id.Host, err)
	}
	return nil
}

func (h *hub) disconnect(ctx context.Context, id fleet.Identity, operatorKey string, now time.Time) error {
	account, err := h.keys.Revoke(operatorKey, id.Connection, now)
	if err != nil {
		return err
	}
	o, err := h.options()
	if err != nil {
		return err
	}
	if o.JWT, o.Seed, err = h.keys.SystemUser(now); err != nil {
		return err
	}
	return link.UpdateAccount(ctx, o, account.JWT)
}
