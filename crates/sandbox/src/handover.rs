//! A listener on its way from the helper to the server (`SCM_RIGHTS`, unix(7)).
//!
//! A socket stays in the network namespace that it was made in, so the server accepts what the
//! command connects to, although it has no part in the command's namespace otherwise.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// What a descriptor travels with: at least one byte is needed.
const CARRIER: u8 = b'L';

/// What came over the control socket.
#[derive(Debug)]
pub(crate) enum Arrival {
    Listener(TcpListener),
    /// The first byte of something else.
    Byte(u8),
    /// The other side is gone.
    End,
}

pub(crate) fn send(control: impl AsFd, listener: &TcpListener) -> io::Result<()> {
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let carrier = [CARRIER];
    let data = [IoSlice::new(&carrier)];
    sendmsg(control, &data, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes one byte, and the listener that came with it if one did.
pub(crate) fn receive(control: impl AsFd) -> io::Result<Arrival> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut data = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(control, &mut data, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let listener = ancillary.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return descriptors.next();
        }
        None
    });
    Ok(match (listener, received.bytes) {
        (Some(listener), _) => Arrival::Listener(listener.into()),
        (None, 0) => Arrival::End,
        (None, _) => Arrival::Byte(byte[0]),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixStream;

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn a_listener_arrives_before_what_is_said_after_it() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        send(&theirs, &listener).unwrap();
        theirs.write_all(b"report").unwrap();
        drop((listener, theirs));

        let Arrival::Listener(listener) = receive(&ours).unwrap() else {
            panic!("no listener")
        };
        assert!(fcntl_getfd(&listener).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(listener.local_addr().unwrap(), address);
        let first = receive(&ours).unwrap();
        assert!(matches!(first, Arrival::Byte(b'r')), "{first:?}");
        let mut rest = String::new();
        ours.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "eport");
        assert!(matches!(receive(&ours).unwrap(), Arrival::End));
    }
}
