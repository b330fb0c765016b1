#include "tcpco/testing/recovery_laws.hpp"

#include "catch.hpp"
#include "tcpco/policy/recovery/go_back_n.hpp"
#include "tcpco/policy/recovery/new_reno.hpp"
#include "tcpco/policy/recovery/rack_tlp.hpp"
#include "tcpco/policy/recovery/sack.hpp"
#include "tcpco/policy/recovery/with_undo.hpp"

using namespace tcpco;
using namespace tcpco::testing;

namespace {

using recovery::new_reno;
using recovery::sack;

struct forgives_all : sack {  // no recovery was needed
    using sack::sack;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        recovery_verdict v = sack::on_ack(a, s, t, board);
        v.undo = v.kind == verdict_kind::exit;
        return v;
    }
};
struct gives_up : new_reno {  // nothing new leaves once there was a timeout
    using new_reno::new_reno;
    bool over = false;
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        over = true;
        return new_reno::on_timer(kind, t, board);
    }
    template <class Board>
    send_decision next(const Board& board, octet_count room)
    {
        const send_decision d = new_reno::next(board, room);
        return over && d.action == send_action::new_data ? send_decision{send_action::nothing} : d;
    }
};
struct repeats_itself : sack {  // each ACK in recovery marks everything again
    using sack::sack;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = sack::on_ack(a, s, t, board);
        if (in_recovery()) {
            board.mark_all_lost();
        }
        return v;
    }
};
struct resends_what_arrived : sack {
    using sack::sack;
    template <class Board>
    send_decision next(const Board& board, octet_count room)
    {
        const send_decision d = sack::next(board, room);
        if (d.action == send_action::new_data && in_recovery() && board.sacked() > 0) {
            return {send_action::retransmit, {board.highest_sacked() - 1'000, board.highest_sacked()}, false};
        }
        return d;
    }
};
struct marks_what_arrived : sack {
    using sack::sack;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = sack::on_ack(a, s, t, board);
        if (s.has_blocks) {
            board.mark_lost(board.find(board.highest_sacked() - 1));
        }
        return v;
    }
};
struct sees_ghosts : new_reno {
    using new_reno::new_reno;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = new_reno::on_ack(a, s, t, board);
        if (a.acked > 0 && a.una == stream_offset{6'001} && board.first_unacked() != Board::npos) {
            board.mark_lost(board.first_unacked());
        }
        return v;
    }
};
struct waits_for_timeouts : recovery::go_back_n {
    using go_back_n::go_back_n;
};
struct waits_for_the_window : new_reno {
    using new_reno::new_reno;
    template <class Board>
    send_decision next(const Board& board, octet_count room)
    {
        send_decision d = new_reno::next(board, room);
        d.ignore_window = false;
        return d;
    }
};
struct pushes : new_reno {  // everything passes the window
    using new_reno::new_reno;
    template <class Board>
    send_decision next(const Board& board, octet_count room)
    {
        send_decision d = new_reno::next(board, room);
        d.ignore_window = d.action == send_action::retransmit;
        return d;
    }
};
struct keeps_quiet : new_reno {
    using new_reno::new_reno;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = new_reno::on_ack(a, s, t, board);
        return v.kind == verdict_kind::exit ? recovery_verdict{} : v;
    }
};
struct enters_anew : new_reno {  // leaves with each partial ACK, and enters again for the next duplicates
    using new_reno::new_reno;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        if (a.acked > 0 && in_recovery()) {
            static_cast<new_reno&>(*this) = new_reno{};
            return {verdict_kind::exit};
        }
        return new_reno::on_ack(a, s, t, board);
    }
};
struct complains_often : sack {
    using sack::sack;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = sack::on_ack(a, s, t, board);
        const bool news = v.kind == verdict_kind::none && in_recovery() && a.newly_sacked > 0;
        return news ? recovery_verdict{verdict_kind::lost_again} : v;
    }
};
template <class R>
struct tells_nobody : R {  // repairs, and never says that something was lost
    using R::R;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        const recovery_verdict v = R::on_ack(a, s, t, board);
        return v.undoes() ? v : recovery_verdict{};
    }
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        static_cast<void>(R::on_timer(kind, t, board));
        return {};
    }
    bool in_recovery() const { return false; }
};
struct tells_once : recovery::rack_tlp {  // of a recovery, whatever is lost in it again
    using rack_tlp::rack_tlp;
    template <class Board>
    recovery_verdict on_ack(const ack_info& a, const sack_info& s, const path_timing& t, Board& board)
    {
        return forgetful(rack_tlp::on_ack(a, s, t, board));
    }
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        return forgetful(rack_tlp::on_timer(kind, t, board));
    }
    static recovery_verdict forgetful(recovery_verdict v)
    {
        return v.kind == verdict_kind::lost_again ? recovery_verdict{} : v;
    }
};
struct rings_for_ever : new_reno {
    using new_reno::new_reno;
    timer_request timer() const { return {retransmission_timer::reorder, time_point{duration{300'000'000}}}; }
};
struct puts_off : new_reno {  // probes again and again, so that the RTO never comes
    using new_reno::new_reno;
    time_point at = time_point::never();
    void on_transmit(const transmission& t, const path_timing& timing)
    {
        new_reno::on_transmit(t, timing);
        at = timing.now + duration{500'000'000};
    }
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        at = t.now + duration{500'000'000};
        return new_reno::on_timer(kind, t, board);
    }
    timer_request timer() const { return {retransmission_timer::pto, at}; }
};
struct resends_the_last : new_reno {  // after a timeout from behind
    using new_reno::new_reno;
    bool from_behind = false;
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        from_behind = true;
        return new_reno::on_timer(kind, t, board);
    }
    void on_transmit(const transmission& t, const path_timing& timing)
    {
        new_reno::on_transmit(t, timing);
        from_behind = false;
    }
    template <class Board>
    send_decision next(const Board& board, octet_count room)
    {
        send_decision d = new_reno::next(board, room);
        for (auto i = board.first_unacked(); from_behind && i != Board::npos; i = board.next(i)) {
            d.range = board[i].lost ? offset_range{board[i].first, board[i].last} : d.range;
        }
        return d;
    }
};
struct never_settles : recovery::rack_tlp {  // once there was a timeout
    using rack_tlp::rack_tlp;
    bool timed_out = false;
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        timed_out = timed_out || kind == retransmission_timer::rto;
        return rack_tlp::on_timer(kind, t, board);
    }
    bool is_steady() const { return !timed_out && rack_tlp::is_steady(); }
};
struct rolls_dice : new_reno {
    using new_reno::new_reno;
    time_point at = time_point::never();
    void on_transmit(const transmission& t, const path_timing& timing)
    {
        static unsigned dice = 0;
        new_reno::on_transmit(t, timing);
        at = ++dice % 3 == 0 ? timing.now + duration{30'000'000} : at;
    }
    template <class Board>
    recovery_verdict on_timer(retransmission_timer kind, const path_timing& t, Board& board)
    {
        at = time_point::never();
        return new_reno::on_timer(kind, t, board);
    }
    timer_request timer() const
    {
        return {at == time_point::never() ? retransmission_timer::none : retransmission_timer::reorder, at};
    }
};

const std::initializer_list<law> all_laws{
    recovery_law::completes,       recovery_law::no_storm,       recovery_law::only_outstanding,
    recovery_law::right_marks,     recovery_law::true_verdicts,  recovery_law::timeout_resends,
    recovery_law::reported,        recovery_law::again_reported, recovery_law::same_state,
};

template <class R>
void passes(const typename R::config& config = {}, std::initializer_list<law> more = {}, std::vector<law> except = {})
{
    law_options options{.except = std::move(except)};
    const law_report report = check_recovery_laws<R>(config, options);
    INFO(report.text());
    CHECK(report.holds());
    for (const auto& laws : {all_laws, more}) {
        for (const law& l : laws) {
            INFO(l.name);
            CHECK(report.checked(l) > 10);
        }
    }
    CHECK(report.checked(recovery_law::no_needless) >= 2);
}

template <class R>
void breaks_only(const law& expected, std::vector<law> except = {})
{
    const law_report report = check_recovery_laws<R>({}, {.scripts = 60, .except = std::move(except)});
    INFO(expected.name << "\n" << report.text());
    CHECK(report.broken().size() == 1);
    CHECK(report.breaks(expected));
}

}  // namespace

TEST_CASE("laws: the loss recoveries keep all of them", "[testing]")
{
    using namespace recovery_law;
    passes<recovery::go_back_n>({}, {}, {fast_retransmit});
    passes<new_reno>({}, {fast_retransmit, not_held_back, one_passes, one_entry});
    passes<sack>({}, {fast_retransmit, not_held_back, one_passes, one_entry});
    passes<recovery::rack_tlp>({}, {fast_retransmit, not_held_back, one_passes, one_entry, again_once, timer_ends,
                                    timeout_comes, settles});
    passes<recovery::rack_tlp>({.tail_loss_probe = false}, {fast_retransmit, one_entry, timer_ends, settles});
    passes<recovery::with_undo<recovery::rack_tlp>>({}, {fast_retransmit, settles});
    passes<recovery::with_undo<sack>>({}, {fast_retransmit});
}

TEST_CASE("laws: each mutant of a loss recovery breaks the law that is meant for it, and no other",
          "[testing][unsanitized]")
{
    breaks_only<forgives_all>(recovery_law::true_undo);
    breaks_only<gives_up>(recovery_law::completes);
    breaks_only<repeats_itself>(recovery_law::no_storm, {recovery_law::again_reported});
    breaks_only<resends_what_arrived>(recovery_law::only_outstanding);
    breaks_only<marks_what_arrived>(recovery_law::right_marks);
    breaks_only<sees_ghosts>(recovery_law::no_needless, {recovery_law::reported, recovery_law::again_reported});
    breaks_only<waits_for_timeouts>(recovery_law::fast_retransmit);
    breaks_only<waits_for_the_window>(recovery_law::not_held_back);
    breaks_only<pushes>(recovery_law::one_passes);
    breaks_only<keeps_quiet>(recovery_law::true_verdicts);
    breaks_only<tells_nobody<new_reno>>(recovery_law::reported);
    breaks_only<tells_nobody<sack>>(recovery_law::reported);
    breaks_only<tells_nobody<recovery::rack_tlp>>(recovery_law::reported);
    breaks_only<tells_once>(recovery_law::again_reported);
    breaks_only<enters_anew>(recovery_law::one_entry);
    breaks_only<complains_often>(recovery_law::again_once);
    breaks_only<rings_for_ever>(recovery_law::timer_ends);
    breaks_only<puts_off>(recovery_law::timeout_comes);
    breaks_only<resends_the_last>(recovery_law::timeout_resends);
    breaks_only<never_settles>(recovery_law::settles);
    breaks_only<rolls_dice>(recovery_law::same_state);
}
