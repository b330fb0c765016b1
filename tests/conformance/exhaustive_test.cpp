// Every kind of segment in every state, each on a connection of its own, against the model of support/oracle.hpp.
#include "support/oracle.hpp"
#include "support/peer.hpp"

#include "catch.hpp"

using namespace tcpco_test;

namespace {

constexpr std::uint32_t rcv_window = 10'000;

// A connection in this state and where it stands.
oracle::facts bring(peer<>& p, oracle::state in)
{
    using oracle::state;
    const bool fin_taken = in == state::close_wait || in == state::closing || in == state::last_ack ||
                           in == state::time_wait;
    oracle::facts f{in, fin_taken ? 1'002U : 1'001U, rcv_window - (fin_taken ? 1U : 0U), 5'001, 5'001, 65'535};
    switch (in) {
    case state::closed: break;
    case state::listen:
        p.listen();
        f.snd_nxt = 5'000;
        break;
    case state::syn_sent:
        p.in_syn_sent();
        f.snd_una = 5'000;
        break;
    case state::syn_received_active:
        p.in_syn_sent();
        p.send("S seq=1000 mss=1000");
        p.forget();
        f.snd_una = 5'000;
        break;
    default: p.in(oracle::name(in)); break;
    }
    if (in == state::syn_received) {
        f.snd_una = 5'000;
    } else if (in == state::fin_wait_1 || in == state::closing || in == state::last_ack) {
        f.snd_nxt = 5'002;
    } else if (in == state::fin_wait_2 || in == state::time_wait) {
        f.snd_una = f.snd_nxt = 5'002;
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

std::string state_after(peer<>& p, oracle::state before)
{
    if (before == oracle::state::closed || before == oracle::state::listen || before == oracle::state::syn_received) {
        const auto all = p.connections();
        if (all.empty()) {
            return before == oracle::state::listen ? "LISTEN" : "CLOSED";
        }
        p.find_connection();
    }
    return p.state();
}

// One cell; what differs from the model, in one line, or nothing.
std::string play(oracle::state in, oracle::segment s, std::uint32_t seq_offset, std::uint32_t ack_offset,
                 const char* more)
{
    peer p;
    const oracle::facts f = bring(p, in);
    s.seq = f.rcv_nxt + seq_offset;
    s.ack = s.has_ack ? f.snd_nxt + ack_offset : 0;
    const oracle::verdict v = oracle::predict(f, s);
    if (in == oracle::state::syn_sent) {
        p.irs = sequence_number{s.seq};  // the octets of its stream count from this SYN
    }
    const std::string text = said(s, more);
    p.send(text);
    if (p.waiting() == 0 && v.reply.front() == 'A') {
        p.wait(500_ms);  // a delayed ACK
    }
    const packet reply = p.next();
    const bool more_than_one = p.waiting() > 0;
    const std::string after = state_after(p, in);
    std::size_t got = 0;
    if (v.delivered > 0 || in == oracle::state::established) {
        if (in == oracle::state::syn_received) {
            p.accept();
        }
        got = p.read();
    }
    if (reply == v.reply && !more_than_one && after == v.next && got == v.delivered) {
        return {};
    }
    return std::string{oracle::name(in)} + (in == oracle::state::syn_received_active ? " (active)" : "") + ": " +
           text + ": expected " + v.reply + ", " + v.next + ", " + std::to_string(v.delivered) + " octets, got " +
           (reply.what == packet::kind::nothing ? "-" : dump_ip(reply.octets)) + (more_than_one ? " and more" : "") +
           ", " + after + ", " + std::to_string(got) + " octets";
}

}  // namespace

TEST_CASE("Every kind of segment in every state is answered as the tables of RFC 9293 3.10.7 say",
          "[conformance][RFC9293-3.10.7.4-1e][RFC9293-3.10.7.4-5f][RFC5961-3.2c][RFC5961-4.2a]")
{
    std::size_t cells = 0;
    std::size_t wrong = 0;
    for (unsigned in = 0; in <= static_cast<unsigned>(oracle::state::time_wait); ++in) {
        for (unsigned flags = 0; flags < 16; ++flags) {
            oracle::segment s;
            s.syn = (flags & 1) != 0;
            s.has_ack = (flags & 2) != 0;
            s.fin = (flags & 4) != 0;
            s.rst = (flags & 8) != 0;
            for (const std::uint32_t seq : {0U - 100'000U, 0U - 1U, 0U, 1U, 500U, 9'995U, 9'999U, 10'000U, 20'000U}) {
                for (const std::uint32_t ack : {0U, 0U - 1U, 0U - 2U, 1U, 0U - 70'000U, 70'000U}) {
                    for (const std::uint32_t payload : {0U, 1U, 10U}) {
                        s.payload = payload;
                        const std::string fault = play(static_cast<oracle::state>(in), s, seq, ack,
                                                       cells % 7 == 0 ? "P" : "");
                        ++cells;
                        if (!fault.empty() && ++wrong % 5 == 1) {
                            UNSCOPED_INFO(fault);
                        }
                    }
                    if (!s.has_ack) {
                        break;  // without the bit the field says nothing
                    }
                }
            }
        }
    }
    INFO(cells << " cells, " << wrong << " differ");
    CHECK(wrong == 0);
    CHECK(cells > 10'000);
}
