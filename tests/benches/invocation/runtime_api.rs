//! The Runtime API for one process: events in, answers and their times out.

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use throttle::{Clock, SystemClock};

use crate::http;

/// One process's Runtime API.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    pub(crate) polls: Receiver<Duration>,
    pub(crate) events: Sender<String>,
    pub(crate) answers: Receiver<Answer>,
}

/// The process's answer, with the times at which the event was sent and the answer was complete.
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    pub(crate) is_error: bool,
    pub(crate) took: Duration,
}

/// The state that the connections of one process share.
struct Shared {
    clock: SystemClock,
    polls: Sender<Duration>,
    events: Mutex<Receiver<String>>,
    answers: Sender<Answer>,
    handed_out: Mutex<Duration>,
}

/// Serves the API for one process; `clock` gives the times.
pub(crate) fn serve(clock: SystemClock) -> RuntimeApi {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (polls, polled) = channel();
    let (events, event) = channel();
    let (answers, answered) = channel();
    let shared = Arc::new(Shared {
        clock,
        polls,
        events: Mutex::new(event),
        answers,
        handed_out: Mutex::default(),
    });
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.connection(stream));
        }
    });
    RuntimeApi { address, polls: polled, events, answers: answered }
}

impl Shared {
    fn connection(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(request) = http::read(&mut reader) {
            let now = self.clock.monotonic();
            if request.target.ends_with("/invocation/next") {
                let _ = self.polls.send(now);
                let Ok(event) = self.events.lock().unwrap().recv() else { return };
                *self.handed_out.lock().unwrap() = self.clock.monotonic();
                http::write(&mut stream, "200 OK", NEXT, event.as_bytes());
            } else {
                let took = now.saturating_sub(*self.handed_out.lock().unwrap());
                let is_error = request.target.ends_with("/error");
                http::write(&mut stream, "202 Accepted", "", b"{}");
                let _ = self.answers.send(Answer { body: request.body, is_error, took });
            }
        }
    }
}

/// One invocation at a time, so one id will do.
const NEXT: &str = "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
    Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
    Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:f\r\n\
    Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0\r\n";
