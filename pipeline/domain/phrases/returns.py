"""What went wrong with goods that came or should have come, and what the customer wants for it."""

from __future__ import annotations

from pipeline.domain.phrases.rule import STATUS_QUESTIONS, Rule, rule
from pipeline.domain.taxonomy import Intent

_NOT_YET = "supposed|scheduled|due|expected|estimated|will_be|to_be|should|would_be|not_been|has_not_been|was_not_delivered|not_yet|tomorrow|out_for_delivery|guaranteed|damaged|broken|defective|wrong_item|wrong_product"

CAUSES: tuple[Rule, ...] = (
    rule(
        Intent.DELIVERED_NOT_RECEIVED, "dnr",
        f"""
        say*|said|show*|mark*|status|claim*|apparently|supposedly|allegedly|insist*|swear*|accord*|notification|listed|states|@CARRIER <>8 delivered|delivery_complete*|delivery_had_been|completed|dropped_off|left_it|left_at|left_outside|left_in|left_on|left_with|was_left|it_was_left|handed|signed -{_NOT_YET}
        """,
        beside="@NOT_HERE\nwhere|help|lost",
        beats=STATUS_QUESTIONS,
    ),
    rule(
        Intent.DELIVERED_NOT_RECEIVED, "dnr_elsewhere",
        f"""
        delivered|left|dropped|deliverd ..10 but|yet|however|though|although|and ..8 not|never|nothing|nobody|no -{_NOT_YET}|all|item|complete|full
        never ..2 reached|got_to|came_to|made_it me|us|my
        delivered|deliverd|left|dropped|gave|given|handed|went|gone|taken|sent ..6 wrong|another|different|incorrect|someone_else|somebody_else|else|neighbor*|neighbour* ..2 address|addres|house|door|person|apartment|place|state|city|town|building|flat|home -change|can_you_send|please_send
        delivered to ..4 neighbor*|neighbour*|someone_else|somebody_else|number -can|could|please_deliver
        porch_pirate*|mail_thief|package_thief
        stolen|disappeared|vanished|stole|swiped <>6 package*|parcel*|porch|doorstep*|front_door|mailbox|lobby|order|orders|delivery|shipment
        nobody|no_one|none ..8 has|have|got|seen|took ..3 box|parcel|package|it
        photo|picture|proof|proof-of-delivery ..10 never_seen|not_recognise|not_recognize|not_know
        signed [for] ..6 not_me|nobody|no_one|someone|never|not_sign|unknown
        handed|given ..2 to ..2 resident|receptionist|someone +nobody|no_one|not|alone
        photo|picture|proof|image <>10 not_my|is_not|not_our|not_mine|not_ours +door|delivery|parcel|package|porch|step|house|deliver*|dpd|ups
        somebody|someone [else] has|have|took|got ..1 my|our package|parcel|order|delivery
        says|marked|shows|show|showing|status delivered $
        delivered lol|apparently|supposedly
        """,
        beside="@NOT_HERE\nstolen|stole|thief|pirate*|vanished|disappeared|claim|help|third|again\nwrong|different|else|number|neighbor*",
        beats=STATUS_QUESTIONS,
    ),
    rule(
        Intent.DAMAGED_ITEM, "damaged",
        """
        @DAMAGE -@DIGITAL|van|refused|rejected
        @DAMAGE +item|product|package|parcel|arrived|received|box|goods -website|site|link|page|app|code|van
        broke|ripped|tore|cracked|snapped|died|fell_apart|came_apart|shattered|leaked|split|unravel* ..5 after|within|first|on|in|already|while|when|the -website|site|app|heart|promise*|battery_life|news|contract
        @MAYBE_DAMAGE +@RECENT|my|the|it -@DIGITAL|get_used|used_to|used_my|used_by|sold_out|size_up|not_opened|unopened|have_not|thinking|smell_like|free_gift|stuck_on|preparing|pending|stuck_in_transit|in_transit|customs|processing|transit|warehouse|policy|store|return*|open_a|empty_box|paypal|loose_end*|question_marks|marked
        arrived|came|received|is|was dead|spoiled|rotten|burnt|soaked|wet|expired|bent|rusty -not_received
        smell|smells ..3 bad|awful|burnt|burning|of_plastic|chemical*|rotten|weird|off|mould|terrible|like_plastic
        stopped|quit|stops ..1 working|charging|turning_on|functioning|heating|spinning|responding -@DIGITAL
        my|the|this|these|it|which|that|they|one|item|product|device|unit|not|# ..5 not|no_longer|never ..2 work|working|works|turn_on|turning_on|charge|charging|power_on|powering_on|switch_on|function|functioning|heat|hold_a_charge|close|start -@DIGITAL|reset|wifi|wi-fi|bluetooth|pair|connect|sync|update|service|payment|for_me|fee|fees|charged|charge_me|phone_number|charge_back|not_charge|will_not_close|when_do
        only|just work|works|working|produce* ..6 one|left|right ..1 side|ear|earbud|speaker|half -card
        screen|display|light|motor|button ..6 flicker*|dead|blank|not_working|blinking|lines -app|page|website|checkout|login|loading|screen_share
        @MAYBE_DAMAGE +zipper|zip|seam|stitching|handle|leg|wheel|lens|hinge|screen|frame|sole|strap|glass|lid|seal
        handle|leg|wheel|strap|button|zip|zipper|sole|hinge|knob|clasp ..3 fell|came|broke|snapped|is_off|loose
        stone|screw|button ..2 missing from its|the ..2 setting|mount
        crackling|rattling|grinding|buzzing noise|sound|sounds
        item|product|order arrived|came|received ..3 bad|terrible|poor|horrible condition|state
        item|product ..2 not_functioning|no_good|does_not_work|is_bad
        used|opened|second_hand +new|received|clearly|arrived|already|someone -be_used|used_to|never_used|not_used|un-opened|never_opened|i_opened|have_used|used_it|used_my|when_i_opened|i_used|uses|if_i_opened|return
        come_off|came_off|come_undone|washed_out|shrunk|shrank|pilling|pilled|discolou*|discolored|faded +wash*|after|print|color|days|weeks|times
        faulty|defect*|damaged|broken $
        warranty|guarantee +stopped|broken|broke|died|faulty|not_working|claim|fail*
        poor|bad|terrible|awful ..1 quality +stitching|seam|broke|within|after|undone
        """,
    ),
    rule(
        Intent.WRONG_ITEM_RECEIVED, "wrong_item",
        """
        wrong|incorrect|different ..3 @ITEM|size|color|order|orders|model|flavor|style|scent|version|package|parcel|shade|product|pattern|variant +sent|send|received|receive|got|arrived|came|delivered|shipped|box|shipment|package|instead|inside|opened|given|gave|get|was|is|recieved -ordered_the_wrong|ordered_wrong|bought_the_wrong|picked|chose|selected|by_mistake|by_accident|accidentally|my_mistake|my_fault|my_bad|change|before|price|i_got_the_wrong_size|link|i_placed
        ^ [the|this_is_the|these_are_the|it_is_the|hi|hello|hey] wrong|incorrect ..1 item|items|product|size|color|order|one|thing|model|shoes -address|i_ordered|change
        this|these|that|it is|are|was the wrong|incorrect -address|link|price|email|amount
        wrong|incorrect one|item|product|size|color sent|received|delivered|shipped
        sent|received|got|shipped|delivered|mailed|posted|given|getting|receive|send [me|us|to_me] [the|a|an] wrong|incorrect|completely|entirely|totally|different|someone_else|somebody_else|another ..2 !price|discount|answer*|info*|amount|email|address|house|door|state|city -address|charge|price|refund|email|house|door|state
        not|nothing|different ..1 what|the_one|the_item|the_product|like_what|from_what|the_size|the_color ..3 ordered|bought|asked_for|chose|paid_for|purchased|selected|picked|wanted|requested
        not_as_described|not_as_advertised|not_the_advertised|not_as_pictured|nothing_like_the|discrepancy|does_not_match|do_not_match
        ordered|bought|chose|selected|paid_for|purchased|wanted|order ..9 but|and|yet|however|instead|whereas|while ..3 got|received|receive|was_sent|were_sent|sent|came|shipped|arrived|was_given|delivered|selected|is -nothing|not|never|no|only|just|confirmation|half|email|broken|damaged|charged|cracked|late|refund*|missing|shipping|one_of|few|still|single|dead
        sent|shipped|got|received|given|posted|delivered|gave ..8 instead_of|rather_than|when_i_ordered|when_i_had|but_i_ordered|whereas|i_ordered|instead -refund|email|answer|only|just|nothing|half
        instead_of ..8 got|received|opened|sent|came|found|i_ordered -refund
        is|are|these|this ..1 not mine|my_order|ours -door|photo|picture|account|payment|debit|charge|transaction|fee
        not my|mine|our order|parcel|package|stuff|item -it_is_not_my_order_that
        inside|stuff|content*|box|package|parcel ..5 not|is_not mine|my|ours
        addressed|belong*|meant|intended ..2 to|for ..3 someone|somebody|another|different|else|named
        someone|somebody|another [else] ..1 order|package|parcel|item|items|customer|prescription|person +got|received|sent|have|in|posted|contained|given
        someone|somebody elses|else ..1 order|package|parcel|stuff
        mix_up|mixed_up|mixup|mix-up|mixed +order|warehouse|item|someone|box|parcel
        fake|counterfeit|knockoff|knock-off|replica|imitation|not_genuine|not_original|not_authentic|clearly_not|not_real +received|item|product|got|is|are|order|sent|believe -news|email|website|site|review*
        not|non ..2 genuine|authentic|original -website|email
        label|slip|picture|form|description|tag|box ..6 but|while|whereas ..8 mine|inside|contain*|got|received|is|ordered -codes
        says|said size|# ..4 but|while|whereas ..4
        package|box|parcel|envelope contained|had|contains|has ..3 different|someone
        appears|seems|is|are ..3 synthetic|refurbished|second_hand|second-hand|another_brand -question
        advertised ..6 but|only ..6 received|has|is|got
        """,
        unless="can_you|could_you|please change|switch|swap|amend ..6 before",
    ),
    rule(
        Intent.MISSING_ITEMS_IN_SHIPMENT, "missing_items",
        """
        missing|not_included|left_out|omitted|absent|lacking <>6 @PART|@ITEM|parts|contents|kit|bottle|half|rest|second|other -address|apartment|number|tracking|email|discount|points|code|password|link|payment|refund*|went_missing|gone_missing|account|setting|apt|is_the_blue|deadline
        missing +box|package|parcel|received|shipment|set|kit|came|arrived|opened|order|bundle|delivered -address|apartment|refund*|tracking_number|email|discount|points|code|payment|order_is_missing|package_is_missing|parcel_is_missing|shipment_is_missing|went_missing|gone_missing|setting|fee|package_missing|shipment_missing|confirmation|from_my_porch|from_the_porch
        i_am|im|we_are|order_is|package_is|parcel_is|box_is|set_is|was|is|were missing a|an|the|my|one|two|some|from|half|several|items|parts -package_is_missing_from|address|email|code|refund*|payment|money|transaction
        is|are|was|were missing $ -package|parcel|order|money|refund*|payment|points|discount|link|button|email|option
        send|want|need|get|have|ship|resend ..3 missing -refund*|password|code|missing_package|missing_parcel|missing_order|payment|money|email|address|invoice
        missing ..1 item|items|part|parts|piece|pieces
        only|just ..3 received|receive|got|get|found|came|contain*|had|sent|one|arrived|includ*|there|# ..9 of|out_of|instead_of|ordered|paid|half|part|supposed|there_should|instead -refund*|charged|discount|confirmation|email|color
        only|just ..2 got|received|sent ..3 @COUNT ..4 of|instead|item|items|book|pack|pair -refund*|email|confirmation
        ordered|bought|paid_for|should_be|should_contain|supposed_to|contain|order|purchased ..8 @COUNT|both|combo|set|bundle ..10 only|just|got|received|counted|came|there_is ..4 @COUNT|half -charged|days|day|week|weeks|refund*
        ordered|paid_for|bought ..4 set|bundle|pack|combo ..6 no|without|only
        one|two|part|half|some|several|few of the|my|them|items ..6 not ..3 there|included|in|received|delivered|come|arrived|here
        @PART|@ITEM was|were|is|are|is_not|was_not ..2 not|never ..2 in|inside|included|there|with|part_of ..3 @BOX|it|there|here
        was|were|is|are not|no ..2 in|inside|included|among ..3 @BOX|it|there -stock|my_account|the_cart|cart|basket
        not_in|not_inside|not_included ..1 in|with|the|my|it|there|here ..2 @BOX|it|there|here
        never had|contained|included|came_with ..6 in ..1 it|there|the ..1 box|package|parcel
        there is|was|were|are no|not|nothing ..4 in|inside ..3 @BOX|here|it|there|but -stock|tracking
        nothing in|inside ..1 @BOX|it !about
        no ..3 in|inside ..1 the|my ..1 box|package|parcel|set|order|here
        without ..1 the|any|its|my ..2 charger|cable|lid|insert*|part*|screws|manual|instruction*|batter*|remote|cover +came|arrived|received|got|delivered
        empty box|package|parcel|envelope|packet
        box|package|parcel|envelope|order was|is|came|arrived ..2 empty|incomplete|half_empty|not_complete|short
        incomplete|partial order|shipment|delivery|package|set|parcel
        order|delivery|parcel|set|it was|is|arrived ..2 not_complete|incomplete
        did_not|not ..2 get|receive|recieve|received|got|recieved|delivered ..2 whole|full|entire|everything|all|complete|the_rest|my_free|the_free|free_gift|the_second|the_other|gift|sample* -refund*|discount|entire_amount|full_amount|full_price
        rest|other_half|remaining|remainder|second|third|other_two|other_one ..6 not|never|missing|where_is|where_are|is_not -second_time|third_time|when|second_email|refund*
        where is|are ..2 rest|other|remaining|second_item
        where is|are ..4 +rest_of|others|but_not
        received|got|sent|recieved ..2 part|half|some ..1 of ..2 order|items|it|products|them -refund*
        forgot|forgotten|neglected|failed ..1 to_include|to_send|to_put|to_pack|to_add -i_forgot|code
        you|they forgot ..2 my|the|one -reply|email
        short|shorted|shorted_by ..2 by|one|two|#|an_item +order|box|pack|item*
        should|supposed ..3 two|three|four|five|six|seven|eight|#|second|third|both ..8 just|only|counted|but|one -arrive|days
        came|arrived ..4 without|minus|but_no|no -scratch*|problem*|issue*|damage|warning|update*
        fallen|fell out -hair
        not_in_there|not_in_here|not_in_it|nothing_but_the
        envelope|box|package ..3 had|contained|with ..2 a_single|only|just|one
        """,
        unless="where|when ..8 will|does|do ..8 arrive|come|get_here|third|second",
    ),
)  # fmt: skip

OUTCOMES: tuple[Rule, ...] = (
    rule(
        Intent.EXCHANGE_REQUEST, "exchange",
        """
        exchange|exchanges|exchanged|exchanging|trade|trading ..4 @ITEM|order|orders|size*|color*|it|this|that|them|these|those|for|larger|smaller|different|polic*|my|work|works|please|process|possible -stock_exchange|exchange_for_free|emails|exchange_rate|content|honest|messages|promotion|collab*|posts|publicity|coverage|user|account
        i|we|you|to|an|the|for|your|offer|do exchange|exchanges|swap -stock_exchange|content|collab*|promot*|post|posts|set|honest|exchange_for_free|before_you_ship|before_it_ships
        swap|swapping|swapped ..4 @ITEM|it|this|that|them|these|for|size*|color* -before|batteries
        another|different|bigger|smaller|larger|other|next ..2 size|color|one|shade|scent|model ..4 instead|please|rather
        rather_than|instead_of|prefer ..3 different|another|bigger|smaller
        want|need|like|give|have|get|send|prefer ..4 bigger|smaller|larger|different|another|other|next_size|one_size ..2 size|one|color|scent|pair -order_to|order_from|address|thinking
        too_small|too_big|too_large|too_tight|too_loose|too_long|too_short|too_wide|bit_tight|bit_small|bit_big|not_fit|do_not_fit ..12 want|need|have|change|swap|get|send|bigger|smaller|larger|instead|size|larger_one|exchange +size|bigger|smaller|larger|#|change|swap|exchange|another|different
        should_have|need|needed ..2 got|a|an ..2 # ..4 instead|got ..2 #
        size_up|size_down|sized_up|next_size -should_i|do_i|true_to_size|recommend|better_to|do_they|run
        replace|replaced|replacement ..3 other|different|another ..2 color|size|model|item
        same ..3 in size|#|another|different ..3
        have|get|send|change|swap ..4 #|small|medium|large|s|m|l|xl ..2 rather_than|instead
        one size bigger|smaller|larger|up|down
        got ..2 a|an|# ..3 should_have
        """,
        unless="before i|we buy|order|purchase\nbefore it|you|they ships|ship|goes|sends|leaves",
    ),
    rule(
        Intent.EXCHANGE_REQUEST, "replacement",
        """
        want|need|like|send|get|request*|offer|prefer|expect|receive|give ..4 replacement|replacements|new_one|another_one|replaced -where|when|password|card|key|tracking|replacement_part|part|ordered_a_replacement|arrive*
        can|could|will|would you ..2 replace
        """,
        weak=True,
    ),
    rule(
        Intent.REFUND_REQUEST, "refund",
        """
        @MONEY_BACK -refund_policy_page|exclusive|competitive
        when|where|how_long|how_soon ..5 money|funds|credit|credited -save|how_much
        get|want|need|give|have|send|return|getting|receive|returned|transfer ..3 money|cash back|returned
        money ..3 not|still|back|yet -went_through|took|taken|deducted|debited
        pay|paid me|us back
        payback|money-back|moneyback
        return*|give ..2 my|our|the money
        returned|sent|dropped|return ..10 no_money|money|credited|credit|funds -gift_card
        """,
        beats=STATUS_QUESTIONS,
    ),
    rule(
        Intent.RETURN_REQUEST, "return_wish",
        """
        want|wish|like|need|going|can|could|how_do|how_to|possible ..3 return|send_back ..4 for ..2 refund|full_refund
        """,
        beats=frozenset({Intent.REFUND_REQUEST}),
    ),
    rule(
        Intent.RETURN_REQUEST, "return",
        """
        return|returns|returning|returned <>4 @ITEM|order|orders|it|this|them|these|that|label*|polic*|purchase*|process|window|package|form|slip|procedure|instruction*|address|request*|shipping|postage|fee*|charge*|cost* -call|calls|email|emails|message|to_sender|money|many_returns|reply|return_flight
        want|like|need|how|where|can|could|wish|to|possible|start|make|initiate|do|accept|process|arrange|request|help|wanna|your|my|a ..2 return|returns|returning !to_sender|my_call|call|of|customer|my_money|the_money|key -call_me|flight|to_sender|many
        my return|returns was|were|has|is|rejected|denied|refused|request|got|status
        return* rejected|denied|refused|declined
        return|returns $ -to_sender
        return*|rma|prepaid_label|return_label*|return_authorization|drop-off|drop_off +return|label|refund|print|code|rma|item
        send|sending|sent|bring|bringing|take|taking|ship|shipping|mail|post|give|giving|go|going ..5 back -money|email|reply|message|get_back|call|text|refund_back|back_in_stock|come_back|back_order|cash|fund*|feedback
        return_policy|returns_policy|return_window|returns_window|return_period|return_slip|return_label
        not|do_not ..2 like|happy_with|suit|want ..4 return|back
        restocking_fee
        eligible|free for_returns|returns
        """,
        unless="returning_customer|return_to_sender|returned_to_sender|in_return_for",
        beats=STATUS_QUESTIONS,
    ),
)  # fmt: skip
