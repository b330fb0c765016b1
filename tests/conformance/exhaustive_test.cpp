// Every kind of segment in every state, each on a connection of its own, against the model of support/oracle.hpp.
// The user's calls and the timeouts, in every state as well, stand in state_calls_test.cpp.
#include "support/oracle.hpp"
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

using oracle::timing;

// Where the cells of a test begin.
struct setting {
    oracle::state in{};
    timing ts = timing::none;
    bool window_closed = false;
};

bool fin_taken(oracle::state in)
{
    return in == oracle::state::close_wait || in == oracle::state::closing || in >= oracle::state::last_ack;
}

// The peer's octets, so many that the window is closed once its FIN has come, too.
std::uint32_t fill(peer<>& p, const setting& at, const std::string& ts)
{
    if (!at.window_closed) {
        return 0;
    }
    const std::uint32_t octets = fin_taken(at.in) ? 9'999 : 10'000;
    p.send("A seq=1001 ack=5001 len=" + std::to_string(octets) + ts);
    p.wait(500_ms);  // a delayed ACK
    return octets;
}

void finish(peer<>& p, oracle::state in, const std::string& peers_fin, const std::string& ts)
{
    using oracle::state;
    if (in == state::close_wait || in == state::last_ack) {
        p.send("FA " + peers_fin + " ack=5001" + ts);
    }
    if (in != state::close_wait && in != state::established) {
        p.shutdown();
        p.forget();  // its FIN
    }
    if (in == state::fin_wait_2) {
        p.send("A " + peers_fin + " ack=5002" + ts);
    } else if (in == state::closing) {
        p.send("FA " + peers_fin + " ack=5001" + ts);
    } else if (in == state::time_wait || in == state::time_wait_alone) {
        p.send("FA " + peers_fin + " ack=5002" + ts);
    }
    if (in == state::time_wait_alone) {
        p.close();
    }
}

// A connection in this state and where it stands.
oracle::facts bring(peer<>& p, const setting& at)
{
    using oracle::state;
    const std::string ts = at.ts == timing::none ? "" : " ts=100/0";
    oracle::facts f{at.in, 1'001, 10'000, 5'001, 5'001, 65'535, at.ts};
    switch (at.in) {
    case state::closed: break;
    case state::listen:
        p.listen();
        f.snd_nxt = 5'000;
        break;
    case state::syn_sent: p.in_syn_sent(); break;
    case state::syn_received: p.in_syn_received("mss=1000" + ts); break;
    case state::syn_received_active:
        p.in_syn_sent();
        p.send("S seq=1000 mss=1000" + ts);
        break;
    default: {
        p.in_established("mss=1000" + ts, ts);
        f.rcv_nxt += fill(p, at, ts);
        finish(p, at.in, "seq=" + std::to_string(f.rcv_nxt), ts);
        f.rcv_nxt += fin_taken(at.in) ? 1U : 0U;
        f.rcv_wnd = 11'001 - f.rcv_nxt;
        f.snd_nxt += at.in == state::established || at.in == state::close_wait ? 0U : 1U;
        f.snd_una += at.in == state::fin_wait_2 || at.in >= state::time_wait ? 1U : 0U;
        break;
    }
    }
    f.snd_una -= at.in == state::syn_sent || oracle::half_open(f) ? 1U : 0U;
    p.forget();
    const auto all = p.connections();
    if (at.in >= state::syn_sent && (all.size() != 1 || all.front() != oracle::name(at.in))) {
        throw std::runtime_error{std::string{"not in "} + oracle::name(at.in) + '\n' + *p.conversation()};
    }
    return f;
}

std::string said(const oracle::segment& s, const char* more)
{
    std::string flags = std::string{s.syn ? "S" : ""} + (s.has_ack ? "A" : "") + (s.fin ? "F" : "") +
                        (s.rst ? "R" : "") + more;
    flags = flags.empty() ? "." : flags;
    return flags + " seq=" + std::to_string(s.seq) + (s.has_ack ? " ack=" + std::to_string(s.ack) : "") +
           (s.payload > 0 ? " len=" + std::to_string(s.payload) : "");
}

// The one connection that is left, a new one in place of an old one included.
std::string state_after(peer<>& p, oracle::state before)
{
    const auto all = p.connections();
    return all.size() > 1 ? "two connections" : !all.empty() ? all.front()
           : before == oracle::state::listen ? "LISTEN" : "CLOSED";
}

std::size_t octets_to_read(peer<>& p)
{
    std::size_t all = 0;
    p.stack.for_each_connection([&](connection_id, const tcp_info& i) {
        all += static_cast<std::size_t>(i.receive_queued);
    });
    return all;
}

// What has come is read, so that its octets are checked.
std::size_t read_all(peer<>& p, oracle::state in)
{
    const std::size_t octets = octets_to_read(p);
    if (octets > 0 && in == oracle::state::syn_received) {
        p.accept();
    }
    return octets > 0 && p.read() != octets ? 1'000'000 : octets;
}

// One cell; what differs from the model, in one line, or nothing.
std::string play(const setting& at, oracle::segment s, std::uint32_t seq_offset, std::uint32_t ack_offset,
                 const char* more)
{
    // Small pools: twenty thousand stacks are made and unmade.
    peer p{with([](auto& c) {
        c.limits.frame_slots = 64;
        c.limits.jumbo_slots = 1;
        c.limits.small_slots = 128;
        c.limits.large_slots = 16;
    })};
    const oracle::facts f = bring(p, at);
    s.seq = f.rcv_nxt + seq_offset;
    s.ack = s.has_ack ? f.snd_nxt + ack_offset : 0;
    const oracle::verdict v = oracle::predict(f, s);
    if (at.in == oracle::state::syn_sent) {
        p.irs = sequence_number{s.seq};  // the octets of its stream count from this SYN
    }
    const std::size_t before = octets_to_read(p);
    const char* ts = at.ts == timing::newer ? " ts=101/0" : at.ts == timing::older ? " ts=99/0" : "";
    const std::string text = said(s, more) + ts;
    p.send(text);
    if (p.waiting() == 0 && v.may_wait) {
        p.wait(500_ms);
    }
    const packet reply = p.next();
    const std::string after = state_after(p, at.in);
    const std::string error = v.error.empty() ? "" : p.error();
    p.wait(500_ms);
    const bool more_than_one = p.waiting() > 0;
    const bool reused = oracle::over(f) && v.next == "SYN-RECEIVED";
    const bool old_number = reused && !precedes(sequence_number{f.snd_nxt}, reply.header.seq);  // RFC 9293 3.4.1
    const bool dead = v.next == "CLOSED" || reused;
    const std::size_t got = dead ? 0 : read_all(p, at.in) - before;
    const bool one_good_reply = reply == v.reply && !more_than_one && !old_number;
    if (one_good_reply && after == v.next && got == v.delivered && error == v.error) {
        return {};
    }
    return std::string{oracle::name(at.in)} + " (" + std::to_string(static_cast<int>(at.in)) + "): " + text +
           ": expected " + v.reply + ", " + v.next + ", " + std::to_string(v.delivered) + " octets " + v.error +
           ", got " + (reply.what == packet::kind::nothing ? "-" : dump_ip(reply.octets)) +
           (more_than_one ? " and more" : "") + ", " + after + ", " + std::to_string(got) + " octets " + error;
}

struct axes {
    std::vector<std::uint32_t> seq;  // from RCV.NXT
    std::vector<std::uint32_t> ack;  // from SND.NXT
    std::vector<std::uint32_t> payload;
};

struct tally {
    std::size_t cells = 0;
    std::size_t wrong = 0;
};

void note(tally& t, const std::string& fault)
{
    ++t.cells;
    if (!fault.empty() && ++t.wrong <= 20) {
        UNSCOPED_INFO(fault);
    }
}

// All combinations of the four flags with the axes.
void play_all(tally& t, const setting& at, const axes& a)
{
    for (unsigned flags = 0; flags < 16; ++flags) {
        oracle::segment s;
        s.syn = (flags & 1) != 0;
        s.has_ack = (flags & 2) != 0;
        s.fin = (flags & 4) != 0;
        s.rst = (flags & 8) != 0;
        for (const std::uint32_t seq : a.seq) {
            for (const std::uint32_t payload : a.payload) {
                s.payload = payload;
                for (const std::uint32_t ack : a.ack) {
                    note(t, play(at, s, seq, ack, t.cells % 7 == 0 ? "P" : ""));
                    if (!s.has_ack) {
                        break;  // without the bit the field says nothing
                    }
                }
            }
        }
    }
}

void play_all(tally& t, oracle::state first, timing ts, bool window_closed, const axes& a)
{
    constexpr auto last = static_cast<unsigned>(oracle::state::time_wait_alone);
    for (auto in = static_cast<unsigned>(first); in <= last; ++in) {
        play_all(t, {static_cast<oracle::state>(in), ts, window_closed}, a);
    }
}

void check(const tally& t, std::size_t at_least)
{
    INFO(t.cells << " cells, " << t.wrong << " differ");
    CHECK(t.wrong == 0);
    CHECK(t.cells >= at_least);
}

}  // namespace

TEST_CASE("Every kind of segment in every state is answered as the tables of RFC 9293 3.10.7 say",
          "[conformance][RFC9293-3.10.7.4-1e][RFC9293-3.10.7.4-5f][RFC5961-3.2c][RFC5961-4.2a]")
{
    tally t;
    play_all(t, oracle::state::closed, timing::none, false,
             {{0U - 100'000U, 0U - 1U, 0U, 1U, 9'995U, 9'999U, 10'000U},
              {0U, 0U - 1U, 0U - 2U, 1U, 0U - 70'000U},
              {0U, 1U, 10U}});
    check(t, 13'000);
}

TEST_CASE("A closed window: of every kind of segment in every state only what the tables name is used",
          "[conformance][MUST-66][RFC9293-3.10.7.4-1a][RFC9293-3.10.7.4-1c]")
{
    tally t;
    play_all(t, oracle::state::established, timing::none, true,
             {{0U - 1U, 0U, 1U}, {0U, 0U - 1U, 1U}, {0U, 1U}});
    check(t, 1'500);
}

TEST_CASE("Timestamps: every kind of segment in every state, with a newer, an older or no timestamp",
          "[conformance][RFC7323-5.3a][RFC7323-5.3b][RFC7323-3.2d]")
{
    tally t;
    for (const timing ts : {timing::newer, timing::older, timing::missing}) {
        play_all(t, oracle::state::syn_received, ts, false, {{0U - 1U, 0U, 1U}, {0U, 1U}, {0U, 10U}});
    }
    check(t, 4'000);
}
