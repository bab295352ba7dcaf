package systemd

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// maxStatus bounds a status: systemctl status shows it on one line.
const maxStatus = 500

// NotifyStatus tells the manager in a word how the service is, over the socket of
// $NOTIFY_SOCKET (sd_notify(3), STATUS=). systemctl status shows it until the next
// start. Without a socket it does nothing.
func NotifyStatus(socket, status string) error {
	if socket == "" {
		return nil
	}
	status = strings.ToValidUTF8(status[:min(len(status), maxStatus)], "")
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the manager the status: %w", err)
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("tell the manager the status: %w", err)
	}
	if _, err := c.Write([]byte("STATUS=" + strings.ReplaceAll(status, "\n", " "))); err != nil {
		return fmt.Errorf("tell the manager the status: %w", err)
	}
	return nil
}
