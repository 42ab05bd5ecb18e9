"""Messages of our own for what the shared set lacks: labelled, invented, example.com only."""

from __future__ import annotations

OWN: tuple[tuple[str, str], ...] = (
    ("My tracking says delivered yesterday but I never got the package. Order #20441.", "delivered_not_received"),
    ("The courier marked it as delivered, yet nothing was at my door or with the neighbours.", "delivered_not_received"),
    ("Hi there, only two of the three candles were in the box. Where is the third one?", "missing_items_in_shipment"),
    ("One of the straps is missing from my order, please send it. Thanks, Mira", "missing_items_in_shipment"),
    ("You sent me the wrong item, I ordered the blue kettle and received a toaster.", "wrong_item_received"),
    ("I received a completely different product than the one on my receipt.", "wrong_item_received"),
    ("The mug arrived broken, there are pieces all over the box.", "damaged_item"),
    ("Hello, the lamp came with a cracked shade and the cable is torn. Regards, Tom", "damaged_item"),
    ("Could I exchange these boots for a larger size?", "exchange_request"),
    ("I'd like to swap the medium shirt for a small one please", "exchange_request"),
    ("How do I send this jacket back? I would like a return label.", "return_request"),
    ("What is your return policy for shoes that were worn once?", "return_request"),
    ("My order from two weeks ago still hasn't shipped. What is going on?", "shipping_delay_not_shipped"),
    ("The package is delayed for the third time now", "shipping_delay_not_shipped"),
    ("The discount code WELCOME doesn't work at checkout", "promo_discount_issue"),
    ("I forgot to apply my coupon, can it still be used?", "promo_discount_issue"),
    ("I have 40k followers on instagram and would love a collab with your brand", "influencer_marketing_inquiry"),
    ("I bought this on TikTok shop and need help", "tiktok_support_request"),
    ("I commented on your instagram giveaway post, did I win?", "social_media_support_request"),
    ("The app keeps crashing whenever I open my cart", "technical_support"),
)  # fmt: skip

SERIOUS: tuple[tuple[str, str], ...] = (
    ("I will file a chargeback with my bank if this is not solved today", "chargeback_dispute"),
    ("I am disputing this charge with my credit card company", "chargeback_dispute"),
    ("I opened a PayPal dispute for this purchase", "chargeback_dispute"),
    ("You will hear from my lawyer about this", "legal_threat"),
    ("I am going to sue you for what you sold me", "legal_threat"),
    ("We are considering legal action against your company", "legal_threat"),
    ("I know where you live and you will regret this", "harassment_threats"),
    ("I will find you and hurt you if I don't get my money", "harassment_threats"),
    ("There is an unauthorized charge from you on my card", "fraud_suspected"),
    ("Someone used my account to order a phone, this is fraud", "fraud_suspected"),
    ("I never placed this order, my card was stolen", "fraud_suspected"),
    ("I'll see you in court", "legal_threat"),
)

SEVERAL: tuple[tuple[str, str], ...] = (
    ("The vase arrived broken so please cancel the rest of my order and refund me.", "cancel_order"),
    ("Where is my order? If it hasn't shipped yet please cancel it.", "cancel_order"),
    ("I moved house: change the shipping address of my order, and when will it arrive?", "address_change_order_edit"),
    ("Wrong address on my order! Also could I get the invoice?", "address_change_order_edit"),
    ("The glasses came scratched, I want my money back.", "damaged_item"),
    ("You sent the wrong colour, I would like a refund or a return label.", "wrong_item_received"),
    ("Two bottles were missing from the package, please refund them.", "missing_items_in_shipment"),
    ("It says delivered but I have not received it, I want a refund.", "delivered_not_received"),
    ("Refund me now or I will call my lawyer.", "legal_threat"),
    ("Cancel my order or I do a chargeback", "chargeback_dispute"),
    ("I want to return the shoes and get a refund", "refund_request"),
    ("Can I exchange the dress or else get my money back?", "exchange_request"),
)  # fmt: skip
