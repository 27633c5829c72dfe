//! Brings up the loopback interface of the helper's own network namespace (rtnetlink(7)), and has
//! the server listen on it.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::handover;

/// `RTM_NEWLINK` (linux/rtnetlink.h).
const NEW_LINK: u16 = 16;
/// `NLM_F_REQUEST | NLM_F_ACK` (netlink(7)).
const REQUEST_AND_ANSWER: u16 = 1 | 4;
/// `NLMSG_ERROR`: an answer; its error number is 0 when all went well.
const ANSWER: u16 = 2;
/// Loopback is the first interface of a namespace.
const LOOPBACK: i32 = 1;
/// `IFF_UP` (netdevice(7)).
const UP: u32 = 1;

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Bytes of that and of `struct ifinfomsg`.
const MESSAGE: u32 = 32;

/// Hands the server a listener on the interface; its port.
pub(super) fn hand_over(control: impl AsFd) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    handover::send(control, &listener)?;
    Ok(port)
}

pub(super) fn bring_up() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    let mut message = Vec::new();
    message.extend(MESSAGE.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ANSWER.to_ne_bytes());
    // Sequence number and sender; then family, padding and type of the interface.
    message.extend([0; 12]);
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 256];
    let (_, length) = recv(&socket, &mut answer, RecvFlags::empty())?;
    error_number(answer.get(..length).unwrap_or_default())
}

fn error_number(answer: &[u8]) -> io::Result<()> {
    let kind = answer.get(4..).and_then(<[u8]>::first_chunk);
    let number = answer.get(HEADER..).and_then(<[u8]>::first_chunk);
    match (kind, number) {
        (Some(kind), Some(number)) if u16::from_ne_bytes(*kind) == ANSWER => {
            match i32::from_ne_bytes(*number) {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error.saturating_neg())),
            }
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_what_went_wrong() {
        let answer = |number: i32| {
            let mut bytes = vec![0; 36];
            bytes[4] = 2;
            bytes[HEADER..HEADER + 4].copy_from_slice(&number.to_ne_bytes());
            error_number(&bytes).map_err(|error| error.raw_os_error())
        };
        assert_eq!(answer(0), Ok(()));
        assert_eq!(answer(-1), Err(Some(1)));
        assert!(error_number(&[0; 4]).is_err());
    }
}
