// The user's calls (RFC 9293 3.10.1 to 3.10.6) and the timeouts (3.10.8, 3.8.3, 3.8.4, 3.6.1) in every state, as
// tables. Segments in every state: exhaustive_test.cpp.
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

// Any state that a user can hold a connection in; "active": opened by connect(), whose SYN crossed the peer's.
void bring(peer<>& p, const std::string& state)
{
    if (state == "SYN-RECEIVED active") {
        p.in_syn_sent();
        p.send("S seq=1000 mss=1000");
    } else if (state == "CLOSED") {
        p.in_established();
        p.send("R seq=1001");
    } else {
        p.in(state);
    }
    p.forget();
    p.mark();
}

std::string only_state(peer<>& p)
{
    const auto all = p.connections();
    return all.empty() ? "CLOSED" : all.front();
}

// What each call answers, sends and leads to.
struct calls_row {
    const char* state;
    errc write;            // of one octet
    const char* written;   // what is sent for it
    errc read;             // of one octet, when there is none
    errc close;            // of shutdown(); close() never fails
    const char* fin;       // what is sent by shutdown() and close()
    const char* closed;    // where they lead
    errc abort;
    const char* reset;     // what is sent by abort()
};

constexpr calls_row calls[] = {
    {"SYN-SENT", errc::ok, "-", errc::would_block, errc::ok, "-", "CLOSED", errc::ok, "-"},
    {"SYN-RECEIVED active", errc::ok, "-", errc::would_block, errc::ok, "FA seq=5001 ack=1001", "FIN-WAIT-1", errc::ok,
     "RA seq=5001 ack=1001"},
    {"ESTABLISHED", errc::ok, "A seq=5001 ack=1001 len=1", errc::would_block, errc::ok, "FA seq=5001 ack=1001",
     "FIN-WAIT-1", errc::ok, "RA seq=5001 ack=1001"},
    {"FIN-WAIT-1", errc::broken_pipe, "-", errc::would_block, errc::ok, "-", "FIN-WAIT-1", errc::ok,
     "RA seq=5002 ack=1001"},
    {"FIN-WAIT-2", errc::broken_pipe, "-", errc::would_block, errc::ok, "-", "FIN-WAIT-2", errc::ok,
     "RA seq=5002 ack=1001"},
    {"CLOSE-WAIT", errc::ok, "A seq=5001 ack=1002 len=1", errc::end_of_stream, errc::ok, "FA seq=5001 ack=1002",
     "LAST-ACK", errc::ok, "RA seq=5001 ack=1002"},
    {"CLOSING", errc::broken_pipe, "-", errc::end_of_stream, errc::ok, "-", "CLOSING", errc::ok, "-"},
    {"LAST-ACK", errc::broken_pipe, "-", errc::end_of_stream, errc::ok, "-", "LAST-ACK", errc::ok, "-"},
    {"TIME-WAIT", errc::broken_pipe, "-", errc::end_of_stream, errc::ok, "-", "TIME-WAIT", errc::ok, "-"},
    // By an RST: the user is told by whichever call comes (POSIX: a writer by broken_pipe).
    {"CLOSED", errc::broken_pipe, "-", errc::connection_reset, errc::connection_reset, "-", "CLOSED",
     errc::not_connected, "-"},
};

errc read_one(peer<>& p)
{
    std::byte one[1];
    return p.stack.read(p.id, one).ec;
}

errc connect_again(peer<>& p)
{
    return p.stack.connect({p.peer_address, p.peer_port}, {.local = {p.sut_address, p.sut_port}}).ec;
}

// One timeout: what is repeated on the way, each time at its second, and what the end is like.
struct timeout_row {
    const char* state;
    bool writes;           // an octet that nobody acknowledges
    const char* repeated;
    const char* last;      // what is sent at the end
    const char* error;     // "": nobody holds the connection
};

// RST at the end: not in the RFC, which merely forgets the connection; the peer, if it lives, learns of it. Not where
// both directions are closed or none was open.
constexpr timeout_row unanswered[] = {
    {"SYN-SENT", false, "S seq=5000", "-", "timed out"},
    {"SYN-RECEIVED", false, "SA seq=5000 ack=1001", "-", ""},
    {"SYN-RECEIVED active", false, "SA seq=5000 ack=1001", "-", "timed out"},
    {"ESTABLISHED", true, "A seq=5001 ack=1001 len=1", "RA seq=5002 ack=1001", "timed out"},
    {"FIN-WAIT-1", false, "FA seq=5001 ack=1001", "RA seq=5002 ack=1001", "timed out"},
    {"CLOSE-WAIT", true, "A seq=5001 ack=1002 len=1", "RA seq=5002 ack=1002", "timed out"},
    {"CLOSING", false, "FA seq=5001 ack=1002", "-", "timed out"},
    {"LAST-ACK", false, "FA seq=5001 ack=1002", "-", "timed out"},
};

// Nobody answers: repeats at `seconds`, the end at `end`.
void lapse(peer<>& p, const timeout_row& row, std::initializer_list<const char*> seconds, duration end)
{
    bring(p, row.state);
    if (row.writes) {
        p.write(1);
        CHECK(p.next() == row.repeated);
    }
    p.wait(end - 1_ms);
    CHECK(only_state(p) == std::string{row.state}.substr(0, 12));
    for (const char* second : seconds) {
        CHECK(p.next() == std::string{row.repeated} + " t=" + second);
    }
    CHECK(p.next() == "-");
    p.wait(1_ms);
    CHECK(only_state(p) == "CLOSED");
    if (*row.error != '\0') {
        CHECK(p.error() == std::string{row.error});
    }
    CHECK(p.next() == row.last);
    p.wait(600_s);
    CHECK(p.next() == "-");
}

}  // namespace

TEST_CASE("write() and read() in every state: what they answer, and what is sent",
          "[conformance][RFC9293-3.10.2c][RFC9293-3.10.3b][RFC9293-3.10.6a]")
{
    for (const calls_row& row : calls) {
        INFO(row.state);
        peer p;
        bring(p, row.state);
        CHECK(read_one(p) == row.read);
        const std::byte octet[] = {stream_octet(0)};
        CHECK(p.stack.write(p.id, octet).ec == row.write);
        CHECK(p.next() == row.written);
        CHECK(p.next() == "-");
        CHECK(p.state() == std::string{row.state}.substr(0, 12));
    }
}

TEST_CASE("shutdown() and close() in every state: one FIN, or none",
          "[conformance][RFC9293-3.10.4a][RFC9293-3.10.4c][RFC9293-3.10.4e]")
{
    for (const calls_row& row : calls) {
        for (const bool whole : {false, true}) {
            INFO(row.state << (whole ? ": close()" : ": shutdown()"));
            peer p;
            bring(p, row.state);
            whole ? p.close() : p.shutdown();
            CHECK((whole ? p.close_result : p.shutdown_result) == (whole ? errc::ok : row.close));
            CHECK(p.next() == row.fin);
            CHECK(p.next() == "-");
            CHECK(only_state(p) == row.closed);
            const bool forgotten = row.state == std::string{"SYN-SENT"};  // 3.10.4: there is no connection any more
            CHECK(p.write_error() == (whole       ? errc::bad_file_descriptor
                                      : forgotten ? errc::not_connected
                                                  : errc::broken_pipe));
        }
    }
}

TEST_CASE("abort() in every state: an RST where the peer may still send or wait, and nothing is left",
          "[conformance][RFC9293-3.10.5a][RFC9293-3.10.5b]")
{
    for (const calls_row& row : calls) {
        INFO(row.state);
        peer p;
        bring(p, row.state);
        p.abort();
        CHECK(p.close_result == row.abort);
        CHECK(p.next() == row.reset);
        CHECK(p.next() == "-");
        CHECK(p.connections().empty());
        p.wait(600_s);
        CHECK(p.next() == "-");
    }
}

TEST_CASE("connect() with the socket pair of a connection in whatever state is refused",
          "[conformance][RFC9293-3.10.1b]")
{
    for (const calls_row& row : calls) {
        INFO(row.state);
        peer p;
        bring(p, row.state);
        const bool gone = row.state == std::string{"CLOSED"};
        CHECK(connect_again(p) == (gone ? errc::ok : errc::address_in_use));
        CHECK(p.next() == (gone ? "S" : "-"));
        CHECK(only_state(p) == (gone ? "SYN-SENT" : std::string{row.state}.substr(0, 12)));
    }
}

TEST_CASE("R2 in every state that waits for an acknowledgement: so many repeats, then the end",
          "[conformance][MUST-20]")
{
    for (const timeout_row& row : unanswered) {
        INFO(row.state);
        peer p{with([](auto& c) { c.tcp.syn_retries = c.tcp.syn_ack_retries = c.tcp.data_retries = 2; })};
        lapse(p, row, {"1", "3"}, 7_s);
    }
}

TEST_CASE("The user timeout in every state that waits for an acknowledgement", "[conformance][RFC9293-3.10.8a]")
{
    for (const timeout_row& row : unanswered) {
        INFO(row.state);
        peer p{with([](auto& c) { c.tcp.user_timeout = 2'500_ms; })};
        lapse(p, row, {"1"}, 2'500_ms);
    }
}

TEST_CASE("Where nothing is outstanding only TIME-WAIT ends by itself, and FIN-WAIT-2 when nobody can read",
          "[conformance][RFC9293-3.10.8c][MUST-13]")
{
    struct row {
        const char* state;
        bool closes;
        bool ends;
    };
    for (const row& r : {row{"ESTABLISHED", false, false}, row{"CLOSE-WAIT", false, false},
                         row{"FIN-WAIT-2", false, false}, row{"FIN-WAIT-2", true, true}, row{"TIME-WAIT", false, true},
                         row{"TIME-WAIT", true, true}}) {
        INFO(r.state << (r.closes ? ", closed" : ""));
        peer p{with([](auto& c) { c.tcp.user_timeout = 2'500_ms; })};  // which is not for them
        bring(p, r.state);
        if (r.closes) {
            p.close();
        }
        p.wait(60_s - 1_ms);
        CHECK(only_state(p) == r.state);
        p.wait(1_ms);
        CHECK(only_state(p) == (r.ends ? "CLOSED" : r.state));
        p.wait(86'400_s);
        CHECK(only_state(p) == (r.ends ? "CLOSED" : r.state));
        CHECK(p.next() == "-");
    }
}

TEST_CASE("Keep-alive in every state without anything outstanding", "[conformance][MUST-26][MUST-29]")
{
    for (const char* state : {"ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2", "TIME-WAIT"}) {
        INFO(state);
        peer p{with([](auto& c) { c.tcp.keep_alive = keep_alive{.idle = 30_s, .interval = 10_s, .count = 2}; })};
        bring(p, state);
        const bool watched = state != std::string{"TIME-WAIT"};  // its end is near anyway
        const std::string numbers = "seq=" + p.snd_nxt(-1) + " ack=" + p.rcv_nxt();
        const std::string reset = "RA seq=" + p.snd_nxt() + " ack=" + p.rcv_nxt() + " t=50";
        p.wait(49_s);
        CHECK(p.next() == (watched ? "A " + numbers + " t=30" : "-"));
        CHECK(p.next() == (watched ? "A " + numbers + " t=40" : "-"));
        CHECK(only_state(p) == state);
        p.wait(2_s);
        CHECK(only_state(p) == (watched ? "CLOSED" : state));
        CHECK(p.next() == (watched ? reset : "-"));
        CHECK(p.error() == std::string{watched ? "timed out" : "success"});
    }
}
